"""Baselines of node classification with one label per node, which do not use edges. See ``ml.cluster_gcn.train``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ml.cluster_gcn.data import GraphData
from ml.cluster_gcn.partition import random_partition
from ml.cluster_gcn.train import Config, predict, train


def majority(graph: GraphData) -> np.ndarray:
    """``predicted[N]``: the most frequent class of the training nodes (the first of equals)."""
    return np.full(len(graph.labels), np.bincount(graph.labels[graph.nodes("train")]).argmax())


def logistic_regression(graph: GraphData, inverse_penalty: float = 1.0) -> np.ndarray:
    """``predicted[N]`` by multinomial logistic regression on the standardised features of the network.

    Args:
        inverse_penalty: scikit-learn's C.
    """
    nodes = graph.nodes("train")
    scaler = StandardScaler().fit(graph.features[nodes])
    model = LogisticRegression(C=inverse_penalty, max_iter=500)
    model.fit(scaler.transform(graph.features[nodes]), graph.labels[nodes])
    return model.predict(scaler.transform(graph.features))


def multilayer_perceptron(graph: GraphData, config: Config) -> np.ndarray:
    """``predicted[N]`` by the same network on the graph without edges, trained in the same way.

    Without edges (D+I)⁻¹(A+I) is the identity: X' = σ(X W), in batches of random nodes.
    """
    nodes = len(graph.labels)
    without_edges = replace(
        graph,
        adjacency=sparse.csr_array(sparse.coo_array((nodes, nodes), dtype=np.float32)),
        clusters=random_partition(nodes, min(config.clusters, nodes), config.seed),
    )
    plain = replace(config, normalization="self_loops", diagonal_lambda=0.0, concat=False, neighbour_dropout=0.0)
    model, _ = train(without_edges, plain)
    return predict(model, without_edges, plain).argmax(axis=1)

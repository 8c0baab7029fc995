"""What a graph network must beat: guesses that see no edge. Not here: the network."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ml.cluster_gcn.data import GraphData


def majority(graph: GraphData) -> np.ndarray:
    """``predicted[N]``: the most frequent class of the training nodes (the first of equals)."""
    return np.full(len(graph.labels), np.bincount(graph.labels[graph.nodes("train")]).argmax())


def logistic_regression(graph: GraphData, inverse_penalty: float = 3.0) -> np.ndarray:
    """``predicted[N]`` by multinomial logistic regression on the network's own standardised features.

    Args:
        inverse_penalty: scikit-learn's C.
    """
    nodes = graph.nodes("train")
    scaler = StandardScaler().fit(graph.features[nodes])
    model = LogisticRegression(C=inverse_penalty, max_iter=500)
    model.fit(scaler.transform(graph.features[nodes]), graph.labels[nodes])
    return model.predict(scaler.transform(graph.features))

"""The arrays of a graph for training, made from the tables of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy import sparse

if TYPE_CHECKING:
    from ml.cluster_gcn.data import GraphData


def adjacency(nodes: pl.DataFrame, edges: pl.DataFrame) -> sparse.csr_array:
    """Symmetric weighted adjacency ``[nodes, nodes]`` float32 from rows of ``graph_nodes`` and ``graph_edges``."""
    a, b = edges["node_a"].to_numpy(), edges["node_b"].to_numpy()
    weights = edges["weight"].to_numpy().astype(np.float32)
    both = np.concatenate([weights, weights]), (np.concatenate([a, b]), np.concatenate([b, a]))
    return sparse.csr_array(both, shape=(len(nodes), len(nodes)))


def feature_matrix(nodes: pl.DataFrame, features: pl.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Features ``[nodes, names]`` float32 from the long form, 0 where a node lacks one; and their names, sorted."""
    names = features["feature"].unique().sort()
    column = features["feature"].replace_strict(names, pl.int_range(len(names), eager=True), return_dtype=pl.Int64)
    matrix = np.zeros((len(nodes), len(names)), np.float32)
    matrix[features["node_id"].to_numpy(), column.to_numpy()] = features["value"].to_numpy()
    return matrix, names.to_list()


def label_numbers(nodes: pl.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """``label[nodes]`` int64, the position of each node's class or -1 without a label; and the classes, sorted."""
    from ml.cluster_gcn.data import UNLABELLED

    classes = nodes["label"].drop_nulls().unique().sort()
    numbers = nodes["label"].replace_strict(classes, pl.int_range(len(classes), eager=True), default=UNLABELLED)
    return numbers.cast(pl.Int64).to_numpy(writable=True), tuple(classes)


def graph_data(nodes: pl.DataFrame, edges: pl.DataFrame, features: pl.DataFrame, clusters: pl.DataFrame) -> GraphData:
    """The input of ``ml.cluster_gcn``, from rows of ``graph_nodes``, ``graph_edges`` and so on."""
    from ml.cluster_gcn.data import GraphData

    nodes = nodes.sort("node_id")
    labels, classes = label_numbers(nodes)
    return GraphData(
        adjacency=adjacency(nodes, edges),
        features=feature_matrix(nodes, features)[0],
        labels=labels,
        splits=nodes["split"].to_numpy(),
        clusters=clusters.sort("node_id")["cluster_id"].to_numpy(),
        classes=classes,
    )

"""Graphs whose answer is known, and the equations in plain float64."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ml.cluster_gcn.data import GraphData
from ml.cluster_gcn.normalization import Normalization
from ml.cluster_gcn.partition import partition


def random_graph(nodes: int, seed: int, density: float = 0.3, weighted: bool = False) -> sparse.csr_array:
    generator = np.random.default_rng(seed)
    half = np.triu(generator.random((nodes, nodes)) < density, k=1).astype(np.float32)
    half *= generator.random((nodes, nodes)) if weighted else 1
    return sparse.csr_array((half + half.T).astype(np.float32))


def planted_communities(nodes: int = 300, classes: int = 3, seed: int = 0, multi_label: bool = False) -> GraphData:
    """Edges mostly within a class, and features with almost no information about it.

    With ``multi_label`` every node is also of the class after its own, and every second one of none.
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(nodes) % classes
    chance = np.where(labels[:, None] == labels, 0.08, 0.004)
    half = np.triu(generator.random((nodes, nodes)) < chance, k=1)
    adjacency = sparse.csr_array((half | half.T).astype(np.float32))
    features = generator.normal(size=(nodes, 8)).astype(np.float32)
    features[:, 0] += labels
    splits = np.array(["train", "train", "train", "validation", "test"])[generator.permutation(nodes) % 5]
    names = tuple(f"class {index}" for index in range(classes))
    if multi_label:
        own = np.eye(classes, dtype=np.uint8)[labels]
        labels = own | np.roll(own, 1, axis=1)
    return GraphData(adjacency, features, labels, splits, partition(adjacency, 6, seed), names)


def dense_matrix(A: np.ndarray, normalization: Normalization, diagonal_lambda: float) -> np.ndarray:
    """The propagation matrix entry by entry, from the equations."""
    n = len(A)
    P = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            loop = 1.0 if i == j else 0.0
            if normalization == "self_loops":
                P[i, j] = (A[i, j] + loop) / (A[i].sum() + 1)
            else:
                P[i, j] = A[i, j] / A[i].sum() if A[i].sum() else 0.0
                P[i, j] += loop if normalization == "row_and_identity" else 0.0
        P[i, i] += diagonal_lambda * P[i, i]
    return P

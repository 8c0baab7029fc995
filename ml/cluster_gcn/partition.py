"""Partition of the nodes into clusters (Cluster-GCN section 3.1). See ``ml.cluster_gcn.batches``."""

from __future__ import annotations

import numpy as np
import pymetis
from scipy import sparse

WEIGHT_STEPS = 1000
"""METIS needs integer weights: the largest becomes this, so that NPMI weights keep three digits."""


def partition(adjacency: sparse.csr_array, clusters: int, seed: int) -> np.ndarray:
    """Clusters of about equal size, with little edge weight between them, by METIS.

    An edge below a 1000th of the largest weight gets that weight; with equal weights METIS counts edges.

    Args:
        adjacency: ``[N, N]``, symmetric, weights above 0; the graph need not be connected, and loops are ignored.

    Returns:
        ``cluster[N]``, int64 from 0. With nearly as many clusters as nodes, METIS may leave some empty.

    Raises:
        ValueError: fewer than two nodes, or not between 1 and N clusters.
    """
    _check(adjacency.shape[0], clusters)
    edges = _without_loops(adjacency)
    index = pymetis.zero_copy_dtype()
    graph = pymetis.CSRAdjacency(edges.indptr.astype(index), edges.indices.astype(index))
    parts = pymetis.part_graph(
        clusters, graph, eweights=_whole_weights(edges.data, index), options=pymetis.Options(seed=seed)
    )
    return np.asarray(parts.vertex_part, dtype=np.int64)


def random_partition(nodes: int, clusters: int, seed: int) -> np.ndarray:
    """Clusters of equal size regardless of edges, the baseline for METIS (table 2).

    Raises:
        ValueError: fewer than two nodes, or not between 1 and N clusters.
    """
    _check(nodes, clusters)
    return np.random.default_rng(seed).permutation(np.arange(nodes, dtype=np.int64) % clusters)


def _without_loops(adjacency: sparse.csr_array) -> sparse.csr_array:
    if not adjacency.diagonal().any():
        return adjacency
    edges = sparse.coo_array(adjacency)
    between = edges.row != edges.col
    return sparse.csr_array((edges.data[between], (edges.row[between], edges.col[between])), shape=edges.shape)


def _whole_weights(weights: np.ndarray, index: np.dtype) -> np.ndarray | None:
    """``weights[edges]`` as integers from 1; None if all are equal."""
    if not len(weights) or weights.min() == weights.max():
        return None
    return np.maximum(np.rint(weights * (WEIGHT_STEPS / weights.max())), 1).astype(index)


def _check(nodes: int, clusters: int) -> None:
    if nodes < 2 or not 1 <= clusters <= nodes:
        raise ValueError(f"{clusters} clusters of {nodes} nodes: need at least 2 nodes, and 1 to {nodes} clusters")

"""Dividing the nodes into clusters (Cluster-GCN section 3.1). Not here: making batches of them."""

from __future__ import annotations

import numpy as np
import pymetis
from scipy import sparse


def partition(adjacency: sparse.csr_array, clusters: int, seed: int) -> np.ndarray:
    """Clusters of about equal size with few edges between them, by METIS; edge weights do not count.

    Args:
        adjacency: ``[N, N]``, symmetric; the graph need not be connected, and loops are ignored.

    Returns:
        ``cluster[N]``, int64 from 0. With nearly as many clusters as nodes, METIS may leave some empty.

    Raises:
        ValueError: fewer than two nodes, or not between 1 and N clusters.
    """
    _check(adjacency.shape[0], clusters)
    edges = sparse.coo_array(adjacency)
    between = edges.row != edges.col
    plain = sparse.csr_array((edges.data[between], (edges.row[between], edges.col[between])), shape=edges.shape)
    index = pymetis.zero_copy_dtype()
    graph = pymetis.CSRAdjacency(plain.indptr.astype(index), plain.indices.astype(index))
    parts = pymetis.part_graph(clusters, graph, options=pymetis.Options(seed=seed))
    return np.asarray(parts.vertex_part, dtype=np.int64)


def random_partition(nodes: int, clusters: int, seed: int) -> np.ndarray:
    """Clusters of equal size regardless of edges: what METIS is compared with (table 2).

    Raises:
        ValueError: fewer than two nodes, or not between 1 and N clusters.
    """
    _check(nodes, clusters)
    return np.random.default_rng(seed).permutation(np.arange(nodes, dtype=np.int64) % clusters)


def _check(nodes: int, clusters: int) -> None:
    if nodes < 2 or not 1 <= clusters <= nodes:
        raise ValueError(f"{clusters} clusters of {nodes} nodes: need at least 2 nodes, and 1 to {nodes} clusters")

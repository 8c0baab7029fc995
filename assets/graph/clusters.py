"""Clusters of the co-purchase graph, as METIS finds them.

Belongs here: what is clustered and what becomes of the rest. The partition itself is ``ml.cluster_gcn.partition``.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from assets.graph.edges import GraphError


def clusters_of(adjacency: sparse.csr_array, clusters: int, seed: int, seen: np.ndarray | None = None) -> np.ndarray:
    """Clusters with as many edges as possible within one.

    Args:
        adjacency: ``[N, N]``, symmetric.
        seen: the nodes to cluster, where not all: in inductive training the training nodes, by their own edges alone.

    Returns:
        ``cluster[N]`` int64. A node that is not among ``seen`` or has no edge there joins the cluster of most of its
        edges' weight, and without any it is dealt out in turn.

    Raises:
        GraphError: more clusters than nodes to cluster, or fewer than two of those.
    """
    from ml.cluster_gcn.partition import partition

    nodes = adjacency.shape[0]
    among = np.arange(nodes) if seen is None else seen
    own = adjacency[among][:, among]
    linked = np.flatnonzero(np.diff(own.indptr))
    if len(linked) < 2 or clusters > len(linked):
        raise GraphError(
            f"{clusters} clusters of {len(linked)} nodes with an edge: need at least 2 such nodes, and at most as many"
            " clusters as there are (HOWTO_GCN_CLUSTERS)"
        )
    found = np.arange(nodes, dtype=np.int64) % clusters
    parts = partition(own[linked][:, linked], clusters, seed)
    placed = among[linked]
    member = sparse.csr_array((np.ones(len(placed)), (placed, parts)), shape=(nodes, clusters))
    drawn = sparse.csr_array(adjacency @ member)
    elsewhere = np.setdiff1d(np.flatnonzero(np.diff(drawn.indptr)), placed)
    found[elsewhere] = drawn[elsewhere].argmax(axis=1)
    found[placed] = parts
    return found


def edge_cut(adjacency: sparse.csr_array, clusters: np.ndarray) -> float:
    """Share of the edges that run between two clusters."""
    edges = sparse.triu(adjacency, k=1, format="coo")
    return float(np.mean(clusters[edges.row] != clusters[edges.col]))

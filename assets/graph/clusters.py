"""METIS clusters of a graph, and the clusters of nodes that METIS does not place.

See ``ml.cluster_gcn.partition`` for the partition itself.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from assets.graph.edges import GraphError


def clusters_of(adjacency: sparse.csr_array, clusters: int, seed: int, seen: np.ndarray | None = None) -> np.ndarray:
    """Clusters that keep as many edges as possible within a cluster.

    Args:
        adjacency: ``[N, N]``, symmetric.
        seen: the nodes to cluster by the edges among them, if not all; inductive training clusters the training nodes.

    Returns:
        ``cluster[N]`` int64. A node outside ``seen``, or without an edge in it, joins the cluster that holds most of
        its edge weight; nodes without edges are assigned to clusters in turn.

    Raises:
        GraphError: there are more clusters than nodes to cluster, or fewer than two such nodes.
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

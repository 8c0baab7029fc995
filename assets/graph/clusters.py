"""Clusters of a graph, and the clusters of nodes that a partitioner does not place.

See ``ml.cluster_gcn.partition`` for the partition itself.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from scipy import sparse

from assets.graph.edges import GraphError
from ml.cluster_gcn.partition import Partitioner, partition
from ml.memory_counters import added_memory


@dataclass(frozen=True)
class MeasuredClusters:
    """``cluster[N]``, and the seconds and the peak of memory in MiB, above the graph, in which they were made."""

    clusters: np.ndarray
    seconds: float
    mib: float


def clusters_of(
    adjacency: sparse.csr_array,
    clusters: int,
    seed: int,
    seen: np.ndarray | None = None,
    partitioner: Partitioner = "metis",
) -> np.ndarray:
    """Clusters that keep as many edges as possible within a cluster. A seed always gives the same.

    Args:
        adjacency: ``[N, N]``, symmetric.
        seen: the nodes to cluster by the edges among them, if not all; inductive training clusters the training nodes.

    Returns:
        ``cluster[N]`` int64 from 0, fewer than ``clusters`` if the partitioner cannot fill as many (see
        ``cluster_count``). A node outside ``seen``, or without an edge in it, joins the cluster that holds most of its
        edge weight; nodes without edges are assigned to clusters in turn.

    Raises:
        GraphError: there are more clusters than nodes to cluster, or fewer than two such nodes; or the partitioner
            crashed.
    """
    if partitioner == "kaminpar":
        return measured_clusters(adjacency, clusters, seed, seen, partitioner).clusters
    return _clusters(adjacency, clusters, seed, seen, partitioner)


def measured_clusters(
    adjacency: sparse.csr_array,
    clusters: int,
    seed: int,
    seen: np.ndarray | None = None,
    partitioner: Partitioner = "metis",
) -> MeasuredClusters:
    """The result of ``clusters_of`` with its cost, from a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, adjacency, clusters, seed, seen, partitioner).result()
        except BrokenProcessPool as error:
            raise GraphError(
                f"{partitioner}: its process ended without a result; check the memory, or choose another partitioner"
                " (HOWTO_GCN_PARTITIONER)"
            ) from error


def _measure(
    adjacency: sparse.csr_array, clusters: int, seed: int, seen: np.ndarray | None, partitioner: Partitioner
) -> MeasuredClusters:
    started = time.perf_counter()
    found, mib = added_memory(lambda: _clusters(adjacency, clusters, seed, seen, partitioner), "cpu")
    return MeasuredClusters(found, time.perf_counter() - started, mib)


def _clusters(
    adjacency: sparse.csr_array, clusters: int, seed: int, seen: np.ndarray | None, partitioner: Partitioner
) -> np.ndarray:
    nodes = adjacency.shape[0]
    among = np.arange(nodes) if seen is None else seen
    own = adjacency[among][:, among]
    linked = np.flatnonzero(np.diff(own.indptr))
    if len(linked) < 2 or clusters > len(linked):
        raise GraphError(
            f"{clusters} clusters of {len(linked)} nodes with an edge: need at least 2 such nodes, and at most as many"
            " clusters as there are (HOWTO_GCN_CLUSTERS)"
        )
    parts = partition(own[linked][:, linked], clusters, seed, partitioner)
    made = cluster_count(parts)
    found = np.arange(nodes, dtype=np.int64) % made
    placed = among[linked]
    member = sparse.csr_array((np.ones(len(placed)), (placed, parts)), shape=(nodes, made))
    drawn = sparse.csr_array(adjacency @ member)
    elsewhere = np.setdiff1d(np.flatnonzero(np.diff(drawn.indptr)), placed)
    found[elsewhere] = drawn[elsewhere].argmax(axis=1)
    found[placed] = parts
    return found


def cluster_count(clusters: np.ndarray) -> int:
    """Number of clusters of ``cluster[N]``, which are numbered from 0 without gaps."""
    return int(clusters.max()) + 1


def edge_cut(adjacency: sparse.csr_array, clusters: np.ndarray) -> float:
    """Share of the edges that run between two clusters."""
    edges = sparse.triu(adjacency, k=1, format="coo")
    return float(np.mean(clusters[edges.row] != clusters[edges.col]))

"""Partition of the nodes into clusters (Cluster-GCN section 3.1). See ``ml.cluster_gcn.batches``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

Partitioner = Literal["metis", "kaminpar"]
PARTITIONERS: dict[Partitioner, str] = {"metis": "METIS", "kaminpar": "KaMinPar"}
"""Names for tables and plots."""

WEIGHT_STEPS = 1000
"""Both partitioners need integer weights: the largest becomes this, so that NPMI weights keep three digits."""

IMBALANCE = 0.03
"""How much larger than the mean a cluster may be: METIS's default, and KaMinPar's."""

KAMINPAR_PRESET = "fast"
"""On one thread it takes half the time of METIS and of KaMinPar's other presets, and cuts 3 % more edges than METIS."""

KAMINPAR_THREADS = 1
"""With more than one, a seed does not always give the same clusters."""


def partition(adjacency: sparse.csr_array, clusters: int, seed: int, partitioner: Partitioner = "metis") -> np.ndarray:
    """Clusters of about equal size, with little edge weight between them.

    An edge below a 1000th of the largest weight gets that weight; with equal weights, edges are counted.

    With nearly as many clusters as nodes, a partitioner may leave clusters empty, METIS up to half of them, and then
    the others are not balanced. Fewer clusters are requested then, until each that was requested has a node.

    A seed gives METIS's clusters always, KaMinPar's only as the first of a process: it draws its tables of random
    permutations once.

    Args:
        adjacency: ``[N, N]``, symmetric, weights above 0; the graph need not be connected, and loops are ignored.

    Returns:
        ``cluster[N]``, int64 from 0, without gaps. The largest is below ``clusters - 1`` if fewer had to be requested.

    Raises:
        ValueError: fewer than two nodes, or not between 1 and N clusters.
    """
    _check(adjacency.shape[0], clusters)
    edges = _without_loops(adjacency)
    split: Callable[[sparse.csr_array, int, int], np.ndarray] = _kaminpar if partitioner == "kaminpar" else _metis
    requested = clusters
    while True:
        numbers, found = np.unique(split(edges, requested, seed), return_inverse=True)
        if len(numbers) == requested:
            return found.astype(np.int64)
        requested = max(len(numbers), requested * 3 // 4)


def _metis(edges: sparse.csr_array, clusters: int, seed: int) -> np.ndarray:
    import pymetis

    index = pymetis.zero_copy_dtype()
    graph = pymetis.CSRAdjacency(edges.indptr.astype(index), edges.indices.astype(index))
    weights = _whole_weights(edges.data)
    parts = pymetis.part_graph(
        clusters,
        graph,
        eweights=None if weights is None else weights.astype(index),
        options=pymetis.Options(seed=seed),
    )
    return np.asarray(parts.vertex_part)


def _kaminpar(edges: sparse.csr_array, clusters: int, seed: int) -> np.ndarray:
    import kaminpar

    if not edges.nnz:
        return np.arange(edges.shape[0]) % clusters
    with TemporaryDirectory(prefix="howto-graph-") as folder:
        path = Path(folder) / "graph.parhip"
        _write_parhip(path, edges)
        graph = kaminpar.load_graph(str(path), kaminpar.GraphFileFormat.PARHIP)
    kaminpar.reseed(seed)
    solver = kaminpar.KaMinPar(KAMINPAR_THREADS, kaminpar.context_by_name(KAMINPAR_PRESET))
    return np.array(solver.compute_partition(graph, clusters, IMBALANCE))


def _write_parhip(path: Path, edges: sparse.csr_array) -> None:
    """A graph file in ParHIP's binary format, which is what KaMinPar's Python package reads without parsing text.

    Three 64-bit numbers (flags, nodes, directed edges), then per node the position of its first edge in the file in
    bytes and the end of the last, then the other end of each edge, then its weight (KaMinPar,
    kaminpar-io/parhip_parser.cc). A flag is set where something is missing or has 32 bits.
    """
    no_edge_weights, no_node_weights, ids_of_32_bits, weights_of_32_bits = 1, 2, 8, 32
    nodes, weights = edges.shape[0], _whole_weights(edges.data)
    flags = no_node_weights | ids_of_32_bits | (no_edge_weights if weights is None else weights_of_32_bits)
    first_edge = 8 * (3 + nodes + 1)
    with path.open("wb") as file:
        np.array([flags, nodes, edges.nnz], np.uint64).tofile(file)
        (edges.indptr.astype(np.uint64) * 4 + first_edge).tofile(file)
        edges.indices.astype(np.int32, copy=False).tofile(file)
        if weights is not None:
            weights.astype(np.uint32).tofile(file)


def random_partition(nodes: int, clusters: int, seed: int) -> np.ndarray:
    """Clusters of equal size regardless of edges, the baseline (table 2).

    Raises:
        ValueError: fewer than two nodes, or not between 1 and N clusters.
    """
    _check(nodes, clusters)
    return np.random.default_rng(seed).permutation(np.arange(nodes, dtype=np.int64) % clusters)


def _without_loops(adjacency: sparse.csr_array) -> sparse.csr_array:
    from scipy import sparse  # takes 0.4 s, and the settings import this module

    if not adjacency.diagonal().any():
        return adjacency
    edges = sparse.coo_array(adjacency)
    between = edges.row != edges.col
    return sparse.csr_array((edges.data[between], (edges.row[between], edges.col[between])), shape=edges.shape)


def _whole_weights(weights: np.ndarray) -> np.ndarray | None:
    """``weights[edges]`` as whole numbers from 1; None if all are equal."""
    if not len(weights) or weights.min() == weights.max():
        return None
    return np.maximum(np.rint(weights * (WEIGHT_STEPS / weights.max())), 1)


def _check(nodes: int, clusters: int) -> None:
    if nodes < 2 or not 1 <= clusters <= nodes:
        raise ValueError(f"{clusters} clusters of {nodes} nodes: need at least 2 nodes, and 1 to {nodes} clusters")

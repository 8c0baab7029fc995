"""Stochastic multiple partitions (Cluster-GCN section 3.2). Not here: how the clusters are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ml.cluster_gcn.normalization import Normalization, normalize


@dataclass(frozen=True)
class Batch:
    """``nodes[n]`` of the whole graph, and the propagation matrix ``[n, n]`` of the subgraph that they induce."""

    nodes: np.ndarray
    propagation: sparse.csr_array


class ClusterBatches:
    """Batches of ``per_batch`` clusters each; one iteration is a pass over the graph, drawn without replacement.

    The edges between the clusters of a batch are kept, and what results is normalised anew. Each further pass draws
    other combinations; the same seed draws the same ones.

    Args:
        adjacency: ``[N, N]``; clusters: ``cluster[N]``, numbers that need not be contiguous.

    Raises:
        ValueError: ``per_batch`` is not positive.
    """

    def __init__(
        self,
        adjacency: sparse.csr_array,
        clusters: np.ndarray,
        per_batch: int,
        seed: int,
        normalization: Normalization = "self_loops",
        diagonal_lambda: float = 0.0,
    ) -> None:
        if per_batch < 1:
            raise ValueError(f"{per_batch} clusters a batch: must be at least 1")
        self.adjacency = adjacency
        self.per_batch = per_batch
        self.normalization: Normalization = normalization
        self.diagonal_lambda = diagonal_lambda
        by_cluster = np.argsort(clusters, kind="stable")
        starts = np.unique(clusters[by_cluster], return_index=True)[1]
        self._members = np.split(by_cluster, starts[1:])
        self._generator = np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-len(self._members) // self.per_batch)

    def __iter__(self) -> Iterator[Batch]:
        order = self._generator.permutation(len(self._members))
        for start in range(0, len(order), self.per_batch):
            chosen = order[start : start + self.per_batch]
            nodes = np.sort(np.concatenate([self._members[cluster] for cluster in chosen]))
            induced = self.adjacency[nodes][:, nodes]
            yield Batch(nodes, normalize(induced, self.normalization, self.diagonal_lambda))

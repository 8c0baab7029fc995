"""Stochastic multiple partitions (Cluster-GCN section 3.2). Not here: how the clusters are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Batch:
    """``nodes[n]`` of the whole graph, and ``adjacency[n, n]`` of the subgraph that they induce."""

    nodes: np.ndarray
    adjacency: sparse.csr_array


class ClusterBatches:
    """Batches of ``per_batch`` clusters each; one iteration is a pass over the graph, drawn without replacement.

    The edges between the clusters of a batch are kept; normalising what results is the network's part. Each further
    pass draws other combinations; the same seed draws the same ones.

    Args:
        adjacency: ``[N, N]``; clusters: ``cluster[N]``, numbers that need not be contiguous.

    Raises:
        ValueError: ``per_batch`` is not positive.
    """

    def __init__(self, adjacency: sparse.csr_array, clusters: np.ndarray, per_batch: int, seed: int = 0) -> None:
        if per_batch < 1:
            raise ValueError(f"{per_batch} clusters a batch: must be at least 1")
        self.per_batch = per_batch
        # Nodes and rows by cluster, so that the edges of a cluster lie together.
        self._nodes = np.argsort(clusters, kind="stable")
        self._rows = sparse.csr_array(adjacency)[self._nodes]
        self._starts = np.append(np.unique(clusters[self._nodes], return_index=True)[1], len(clusters))
        self._chosen = np.zeros(len(clusters), dtype=bool)
        self._place = np.zeros(len(clusters), dtype=np.int32)
        self._generator = np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-(len(self._starts) - 1) // self.per_batch)

    def __iter__(self) -> Iterator[Batch]:
        order = self._generator.permutation(len(self._starts) - 1)
        for start in range(0, len(order), self.per_batch):
            yield self._batch(order[start : start + self.per_batch])

    def _batch(self, clusters: np.ndarray) -> Batch:
        spans = [slice(self._starts[cluster], self._starts[cluster + 1]) for cluster in clusters]
        nodes = np.concatenate([self._nodes[span] for span in spans])
        self._chosen[nodes] = True
        self._place[nodes] = np.arange(len(nodes), dtype=np.int32)
        lengths, columns, weights = (np.concatenate(parts) for parts in zip(*map(self._edges, spans), strict=True))
        self._chosen[nodes] = False
        ends = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
        return Batch(nodes, sparse.csr_array((weights, columns, ends), shape=(len(nodes), len(nodes))))

    def _edges(self, span: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of one cluster's rows, what stays in the batch: entries a row, their columns in the batch, their weights."""
        ends = self._rows.indptr[span.start : span.stop + 1]
        entries = slice(ends[0], ends[-1])
        columns = self._rows.indices[entries]
        # All columns are in bounds: to clip them is faster than to check them.
        kept = np.flatnonzero(self._chosen.take(columns, mode="clip"))
        lengths = np.diff(np.searchsorted(kept, ends - ends[0]))
        places = self._place.take(columns.take(kept, mode="clip"), mode="clip")
        return lengths, places, self._rows.data[entries].take(kept, mode="clip")

"""Stochastic multiple partitions (Cluster-GCN section 3.2). See ``ml.cluster_gcn.partition`` for the clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Batch:
    """``nodes[n]`` of the whole graph, and ``adjacency[n, n]`` of their induced subgraph."""

    nodes: np.ndarray
    adjacency: sparse.csr_array


class ClusterBatches:
    """Batches of ``per_batch`` clusters each; one pass over the graph draws every cluster once.

    The edges between the clusters of a batch are kept; the network normalises the result. Each pass draws other
    combinations; the same seed draws the same ones.

    Args:
        adjacency: ``[N, N]``; clusters: ``cluster[N]``, numbers that need not be contiguous.

    Raises:
        ValueError: ``per_batch`` is not positive.
    """

    def __init__(self, adjacency: sparse.csr_array, clusters: np.ndarray, per_batch: int, seed: int = 0) -> None:
        if per_batch < 1:
            raise ValueError(f"{per_batch} clusters per batch: must be at least 1")
        self.per_batch, self.seed = per_batch, seed
        order = np.argsort(clusters, kind="stable")
        self._starts = np.append(np.unique(clusters[order], return_index=True)[1], len(clusters)).astype(np.int32)
        self._nodes = np.split(order, self._starts[1:-1])
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        cluster_at = np.repeat(np.arange(len(self._nodes), dtype=np.int32), np.diff(self._starts))
        whole = sparse.csr_array(adjacency)
        self._rows = [Rows.of(whole[nodes], place, cluster_at) for nodes in self._nodes]
        self._chosen = np.zeros(len(self._nodes), dtype=bool)
        self._shift = np.zeros(len(self._nodes), dtype=np.int32)

    def __len__(self) -> int:
        """Batches of a pass."""
        return -(-len(self._nodes) // self.per_batch)

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, from 0, in the endless sequence of passes."""
        return self._batch(self.chosen(step))

    def chosen(self, step: int) -> np.ndarray:
        """The clusters of a step's batch, by their rank among the numbers of clusters."""
        passed, index = divmod(step, len(self))
        order = np.random.default_rng((self.seed, passed)).permutation(len(self._nodes))
        return order[index * self.per_batch : (index + 1) * self.per_batch]

    def one_pass(self, passed: int = 0) -> Iterator[Batch]:
        """The batches of a pass."""
        return (self[passed * len(self) + index] for index in range(len(self)))

    def _batch(self, clusters: np.ndarray) -> Batch:
        nodes = np.concatenate([self._nodes[cluster] for cluster in clusters])
        sizes = np.diff(self._starts)[clusters]
        self._shift[clusters] = sizes.cumsum() - sizes - self._starts[clusters]
        self._chosen[clusters] = True
        kept = [self._rows[cluster].within(self._chosen, self._shift) for cluster in clusters]
        self._chosen[clusters] = False
        lengths, columns, weights = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        ends = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
        return Batch(nodes, sparse.csr_array((weights, columns, ends), shape=(len(nodes), len(nodes))))


@dataclass(frozen=True)
class Rows:
    """One cluster's rows of an adjacency whose nodes are in the order of the clusters.

    A row's edges into one cluster are then consecutive. A batch reads these runs, which are far fewer than the edges.
    """

    columns: np.ndarray
    weights: np.ndarray
    """A single number if all edges have the same weight, as in graphs without weights."""
    run_cluster: np.ndarray
    run_ends: np.ndarray
    """Run i is ``columns[run_ends[i] : run_ends[i + 1]]``."""
    row_ends: np.ndarray
    """Row i has the runs from ``row_ends[i]`` to ``row_ends[i + 1]``."""

    @classmethod
    def of(cls, rows: sparse.csr_array, place: np.ndarray, cluster_at: np.ndarray) -> Rows:
        """``rows[n, N]``; ``place[N]`` of a node in the order of the clusters; ``cluster_at[N]`` of a place."""
        ordered = sparse.csr_array((rows.data, place.take(rows.indices), rows.indptr), shape=rows.shape)
        ordered.sort_indices()
        clusters = cluster_at.take(ordered.indices)
        begins = np.diff(clusters, prepend=-1) != 0
        begins[ordered.indptr[:-1][np.diff(ordered.indptr) > 0]] = True
        runs = np.flatnonzero(begins)
        row_ends = np.searchsorted(runs, ordered.indptr)
        run_ends = np.append(runs, ordered.nnz).astype(ordered.indptr.dtype)
        equal = ordered.nnz > 0 and ordered.data.min() == ordered.data.max()
        weights = ordered.data[:1].copy() if equal else ordered.data
        return cls(ordered.indices, weights, clusters[runs], run_ends, row_ends)

    def within(self, chosen: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The edges within a batch of ``chosen[clusters]``: entries per row, their columns in the batch, their weights.

        Args:
            shift: ``[clusters]``, from the places of a cluster's nodes to their places in the batch.
        """
        kept = np.flatnonzero(chosen.take(self.run_cluster))
        starts = self.run_ends[kept]
        lengths = self.run_ends[kept + 1] - starts
        ends = np.append(0, lengths.cumsum())
        entries = np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])
        columns = self.columns.take(entries) + np.repeat(shift.take(self.run_cluster.take(kept)), lengths)
        equal = len(self.weights) == 1
        weights = np.full(len(entries), self.weights[0]) if equal else self.weights.take(entries)
        return np.diff(ends[np.searchsorted(kept, self.row_ends)]), columns, weights

"""A graph that stays on a GPU, where batches are cut out of it. See ``ml.cluster_gcn.batches``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from ml.cluster_gcn.batches import Rows
from ml.cluster_gcn.normalization import Normalization, scales
from ml.cluster_gcn.propagation import MatrixTensors
from ml.sparse import csr_of


class Cut(NamedTuple):
    """A batch of clusters: their ranks ``clusters[q]``, and the ``places[n]`` of their nodes in order of clusters.

    The host knows how many runs of edges the rows of these nodes have, and how many edges are within the batch.
    """

    clusters: Tensor
    places: Tensor
    runs: int
    edges: int


class ClusterSizes:
    """What the host needs to know of a clustered graph, so that cutting a batch does not wait for the device.

    Args:
        adjacency: ``A[N, N]``; clusters: ``cluster[N]``, numbers that need not be contiguous.
    """

    def __init__(self, adjacency: sparse.csr_array, clusters: np.ndarray) -> None:
        self.order = np.argsort(clusters, kind="stable")
        ranks = np.unique(clusters, return_inverse=True)[1]
        self.ends = np.append(0, np.bincount(ranks).cumsum())
        count = len(self.ends) - 1
        one = np.ones(max(len(ranks), adjacency.nnz), np.int32)
        of_cluster = sparse.csr_array((one[: len(ranks)], (ranks, np.arange(len(ranks)))), shape=(count, len(ranks)))
        parts = one[: adjacency.nnz], adjacency.indices, adjacency.indptr
        pattern = sparse.csr_array(parts, shape=adjacency.shape)
        self.edges = sparse.csr_array(of_cluster @ pattern @ of_cluster.T)
        place = np.empty(len(ranks), np.int32)
        place[self.order] = np.arange(len(ranks), dtype=np.int32)
        self.rows = Rows.of(sparse.csr_array(adjacency)[self.order], place, np.sort(ranks).astype(np.int32))

    def cut(self, clusters: np.ndarray) -> tuple[np.ndarray, Cut]:
        """The nodes of a batch of clusters, and how to cut their subgraph."""
        places = np.concatenate([np.arange(self.ends[cluster], self.ends[cluster + 1]) for cluster in clusters])
        runs = int((self.rows.row_ends[places + 1] - self.rows.row_ends[places]).sum())
        edges = int(self.edges[clusters][:, clusters].sum())
        return self.order[places], Cut(torch.from_numpy(clusters), torch.from_numpy(places), runs, edges)


class ResidentGraph(nn.Module):
    """The edges of a clustered graph as buffers; ``forward`` cuts the propagation matrix of a batch out of them."""

    ends: Tensor
    columns: Tensor
    weights: Tensor
    run_cluster: Tensor
    run_ends: Tensor
    row_ends: Tensor

    def __init__(self, sizes: ClusterSizes, normalization: Normalization, diagonal_lambda: float) -> None:
        super().__init__()
        self.normalization: Normalization = normalization
        self.diagonal_lambda = diagonal_lambda
        rows = sizes.rows
        for name, values in (("ends", sizes.ends), ("columns", rows.columns), ("run_cluster", rows.run_cluster)):
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        for name, values in (("run_ends", rows.run_ends), ("row_ends", rows.row_ends)):
            self.register_buffer(name, torch.from_numpy(values.astype(np.int64)), persistent=False)
        self.register_buffer("weights", torch.from_numpy(rows.weights).float(), persistent=False)

    @staticmethod
    def bytes_needed(sizes: ClusterSizes) -> int:
        """Memory of the buffers."""
        rows = sizes.rows
        return sum(each.nbytes for each in (rows.columns, rows.weights, rows.run_cluster)) + 8 * (
            len(rows.run_ends) + len(rows.row_ends)
        )

    def forward(self, cut: Cut) -> MatrixTensors:
        """The matrix of a batch; its nodes are in the order of the clusters of ``cut``."""
        clusters, places = cut.clusters, cut.places
        count = len(self.ends) - 1
        chosen = torch.zeros(count, dtype=torch.bool, device=places.device).index_fill(0, clusters, True)
        sizes = self.ends[clusters + 1] - self.ends[clusters]
        shift = self.ends.new_zeros(count).index_copy(0, clusters, sizes.cumsum(0) - sizes - self.ends[clusters])
        first_run, runs_of_row = self.row_ends[places], self.row_ends[places + 1] - self.row_ends[places]
        runs = _ranges(first_run, runs_of_row, cut.runs)
        to = self.run_cluster[runs]
        lengths = (self.run_ends[runs + 1] - self.run_ends[runs]) * chosen[to]
        entries = _ranges(self.run_ends[runs], lengths, cut.edges)
        shifts = torch.repeat_interleave(shift[to], lengths, output_size=cut.edges)
        columns = (self.columns[entries] + shifts).int()
        weights = self.weights[entries] if len(self.weights) > 1 else self.weights.expand(cut.edges).contiguous()
        edges_before = functional.pad(lengths.cumsum(0), (1, 0))
        starts = edges_before[functional.pad(runs_of_row.cumsum(0), (1, 0))].int()
        ones = weights.new_ones(len(places), 1)
        degrees = csr_of(starts, columns, weights, (len(places), len(places))) @ ones
        scale, own = scales(degrees[:, 0], self.normalization, self.diagonal_lambda)
        return MatrixTensors(starts, columns, weights, scale[:, None], own[:, None])


def _ranges(firsts: Tensor, lengths: Tensor, total: int) -> Tensor:
    """``first, first + 1, ...`` of each range in a row, ``[total]``, the sum of the lengths."""
    starts = torch.repeat_interleave(firsts - (lengths.cumsum(0) - lengths), lengths, output_size=total)
    return starts + torch.arange(total, device=lengths.device)

"""Training by neighbour sampling as in GraphSAGE (arXiv 1706.02216), to compare with training by clusters.

Each layer of a batch uses a few sampled neighbours of every node, so the number of nodes grows with each layer
(Cluster-GCN section 3). The network and its evaluation are those of ``ml.cluster_gcn``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from ml.cluster_gcn.data import GraphData, check
from ml.cluster_gcn.model import ClusterGCN
from ml.cluster_gcn.normalization import scales
from ml.cluster_gcn.train import Config, GraphTask, Progress, fit, prepared
from ml.distributed import Rows
from ml.harness import Runtime
from ml.sparse import csr_tensor


@dataclass(frozen=True)
class Block:
    """One layer of a batch: ``sources[s]``, whose first n are its targets, and ``propagation[n, s]``, an estimate of P.

    Its expectation over the draws is the targets' rows of P.
    """

    sources: np.ndarray
    propagation: sparse.csr_array


class NeighbourSampler:
    """Samples ``fanout`` neighbours per node, with replacement and by edge weight.

    Args:
        adjacency: ``[N, N]``, symmetric, without loops; model: the model whose P is estimated.
    """

    def __init__(self, adjacency: sparse.csr_array, model: ClusterGCN, fanout: int) -> None:
        if fanout < 1:
            raise ValueError(f"{fanout} neighbours per node: must be at least 1")
        self.adjacency, self.fanout = adjacency, fanout
        # A random number selects the edge between whose cumulative weights it is.
        self._sums = np.concatenate([[0.0], adjacency.data.cumsum(dtype=np.float64)])
        self._degrees = np.diff(self._sums[adjacency.indptr])
        both = scales(torch.from_numpy(self._degrees), model.normalization, model.diagonal_lambda)
        self._scale, self._own = (each.numpy() for each in both)

    def block(self, targets: np.ndarray, generator: np.random.Generator) -> Block:
        """The layer that computes the outputs of ``targets[n]``, which are distinct nodes."""
        linked = np.flatnonzero(self._degrees[targets])
        nodes = targets[linked]
        draws = generator.random((len(nodes), self.fanout)) * self._degrees[nodes][:, None]
        edges = np.searchsorted(self._sums, self._sums[self.adjacency.indptr[nodes]][:, None] + draws, side="right") - 1
        # Rounding may place a draw beyond the last edge of its row.
        edges = edges.clip(max=self.adjacency.indptr[nodes + 1][:, None] - 1)
        drawn = self.adjacency.indices[edges]
        sources = np.concatenate([targets, np.setdiff1d(drawn, targets)])
        place = np.zeros(self.adjacency.shape[0], dtype=np.int32)
        place[sources] = np.arange(len(sources), dtype=np.int32)
        share = self._scale[nodes] * self._degrees[nodes] / self.fanout
        values = np.concatenate([np.repeat(share, self.fanout), self._own[targets]]).astype(np.float32)
        rows = np.concatenate([np.repeat(linked, self.fanout), np.arange(len(targets))])
        columns = np.concatenate([place[drawn].ravel(), np.arange(len(targets))])
        matrix = sparse.coo_array((values, (rows, columns)), shape=(len(targets), len(sources)))
        return Block(sources, sparse.csr_array(matrix))

    def blocks(self, nodes: np.ndarray, layers: int, generator: np.random.Generator) -> list[Block]:
        """The blocks of all layers for the outputs of ``nodes[n]``, first layer first."""
        blocks: list[Block] = []
        for _ in range(layers):
            blocks.insert(0, self.block(blocks[0].sources if blocks else nodes, generator))
        return blocks


def sampled_scores(model: ClusterGCN, blocks: list[Block], inputs: Tensor) -> Tensor:
    """Scores ``[n, classes]`` of a batch.

    Args:
        inputs: ``X[N, F]`` of all nodes, standardised.
    """
    hidden = inputs[torch.from_numpy(blocks[0].sources).to(inputs.device)]
    for index, (layer, block) in enumerate(zip(model.layers, blocks, strict=True)):
        own = hidden[: block.propagation.shape[0]]
        hidden = model.activated(index, layer(_Multiply.apply(block.propagation, hidden), own), own)
    return hidden


def train_by_sampling(
    graph: GraphData,
    config: Config,
    fanout: int = 10,
    nodes_per_batch: int = 512,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> tuple[ClusterGCN, list[dict[str, float]]]:
    """As ``ml.cluster_gcn.train.train``, but a batch is ``nodes_per_batch`` training nodes and their samples.

    Raises:
        GraphDataError: the graph is not usable for training.
        ValueError: the first layer has a matrix of its own, which samples do not estimate.
    """
    check(graph)
    if config.first_normalization is not None:
        raise ValueError(f"first_normalization={config.first_normalization!r}: not for training by sampling")
    model, inputs = prepared(graph, config, device)
    used = graph.nodes("train") if config.inductive else np.arange(len(graph.labels))
    adjacency = graph.adjacency[used][:, used] if config.inductive else graph.adjacency
    features = inputs[used] if config.inductive else inputs
    batches = SampledParts(
        NeighbourSampler(adjacency, model, fanout), np.flatnonzero(graph.trained[used]), nodes_per_batch, config
    )
    network = _SampledNetwork(model, features, torch.from_numpy(graph.labels[used]).to(inputs.device))
    task = GraphTask(network, model, graph, config, batches, batches.steps_per_epoch, inputs, repeated=False)
    return model, fit(task, Runtime(device=str(device)), progress)


class SampledPart(NamedTuple):
    """A batch: the blocks of its layers, and its ``nodes[n]``."""

    blocks: list[Block]
    nodes: Tensor


@dataclass(frozen=True)
class SampledParts:
    """The batches of a training by step (``ml.loading.Batches``)."""

    sampler: NeighbourSampler
    trained: np.ndarray
    nodes_per_batch: int
    config: Config

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.trained) // self.nodes_per_batch)

    def __call__(self, step: int, process: int, processes: int) -> list[SampledPart]:
        passed, index = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.config.seed, 0, passed)).permutation(self.trained)
        nodes = order[index * self.nodes_per_batch : (index + 1) * self.nodes_per_batch][process::processes]
        generator = np.random.default_rng((self.config.seed, 1, step, process))
        return [SampledPart(self.sampler.blocks(nodes, self.config.layers, generator), torch.from_numpy(nodes))]


class _SampledNetwork(nn.Module):
    """Scores and labels of the nodes of a batch."""

    features: Tensor
    labels: Tensor

    def __init__(self, model: ClusterGCN, features: Tensor, labels: Tensor) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("labels", labels, persistent=False)

    def forward(self, part: SampledPart) -> Rows:
        return {"scores": sampled_scores(self.model, part.blocks, self.features), "labels": self.labels[part.nodes]}


class _Multiply(torch.autograd.Function):
    """B X of a rectangular B; the backward pass transposes it once, which is far faster than autograd's own."""

    @staticmethod
    def forward(ctx: Any, matrix: sparse.csr_array, features: Tensor) -> Tensor:
        ctx.matrix = matrix
        return csr_tensor(matrix, device=features.device) @ features

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, csr_tensor(sparse.csr_array(ctx.matrix.T), device=gradients[0].device) @ gradients[0]

"""GraphSAGE and GCN by a plain recipe, to compare with Cluster-GCN on ogbn-products.

The recipe is that of "Classic GNNs are Strong Baselines" (arXiv 2406.08993; large_graph/product.py and products.sh of
its public code): a linear layer, convolutions that each follow on layer norm, ReLU and dropout, and a linear layer
after another such norm. Batches are random parts of all nodes with the edges within them. The epoch with the best
validation accuracy counts, measured on the whole graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from ml.cluster_gcn.data import GraphData, GraphDataError, check
from ml.metrics.classification import accuracy
from ml.sparse import csr_tensor

Convolution = Literal["sage", "gcn"]


@dataclass(frozen=True)
class PlainConfig:
    """The published settings; ``parts`` random parts of the nodes are the batches of an epoch."""

    convolution: Convolution
    epochs: int
    hidden_dim: int = 200
    layers: int = 5
    dropout: float = 0.5
    parts: int = 10
    learning_rate: float = 0.003
    seed: int = 0


PLAIN_PRESETS = {
    "ogbn_products_sage": PlainConfig("sage", 1000),
    "ogbn_products_gcn": PlainConfig("gcn", 300),
}
"""By name; the numbers of epochs are those of products.sh, the rest is the same in both."""


class Neighbours:
    """The linear map of a convolution, with gradients, from an adjacency A without loops.

    For ``sage`` it is the mean over a node and its neighbours, (D+I)⁻¹(A+I), for ``gcn`` the symmetric
    (D+I)^-½ (A+I) (D+I)^-½.
    """

    def __init__(self, adjacency: sparse.csr_array, convolution: Convolution, device: torch.device | str) -> None:
        self.adjacency = csr_tensor(adjacency, device=device)
        degrees = np.asarray(adjacency.sum(axis=1, dtype=np.float64)) + 1
        scale = torch.from_numpy(degrees[:, None]).to(device, torch.float32)
        self.before, self.after = (scale.rsqrt(),) * 2 if convolution == "gcn" else (torch.ones_like(scale), 1 / scale)

    def __call__(self, features: Tensor) -> Tensor:
        scaled = self.before * features
        return self.after * (_SymmetricProduct.apply(self.adjacency, scaled) + scaled)


class _SymmetricProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, adjacency: Tensor, features: Tensor) -> Tensor:
        ctx.adjacency = adjacency
        return adjacency @ features

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.adjacency @ gradients[0]


class PlainGNN(nn.Module):
    """Scores ``[n, classes]`` from ``features[n, F]`` and the neighbours of the same nodes."""

    def __init__(self, features: int, classes: int, config: PlainConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.first, self.last = nn.Linear(features, width), nn.Linear(width, classes)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.layers + 1))
        self.around = nn.ModuleList(nn.Linear(width, width) for _ in range(config.layers))
        own = config.layers if config.convolution == "sage" else 0
        self.own = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(own))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: Tensor, neighbours: Neighbours) -> Tensor:
        hidden = self.first(features)
        for layer, around in enumerate(self.around):
            hidden = self.dropout(self.norms[layer](hidden).relu())
            propagated = around(neighbours(hidden))
            hidden = propagated + self.own[layer](hidden) if self.own else propagated
        return self.last(self.dropout(self.norms[-1](hidden).relu()))


def train_plain(
    graph: GraphData,
    config: PlainConfig,
    device: torch.device | str = "cpu",
    progress: Callable[[dict[str, float]], None] | None = None,
) -> tuple[PlainGNN, list[dict[str, float]]]:
    """Train on the training nodes, in batches that have the edges of held-out nodes too.

    Args:
        progress: called with each row of the history: epoch, loss, validation_accuracy.

    Returns:
        The model of the epoch that is best on the validation nodes (the first of equals; the last epoch, where there
        are none), in evaluation mode, and the history.

    Raises:
        GraphDataError: the graph is not usable for training, or a node may have several classes.
    """
    check(graph)
    if graph.multi_label:
        raise GraphDataError("the plain recipe is for one label per node, and these nodes may have several")
    torch.manual_seed(config.seed)
    model = PlainGNN(graph.features.shape[1], len(graph.classes), config).to(device)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)
    generator = np.random.default_rng(config.seed)
    whole = Neighbours(graph.adjacency, config.convolution, device)
    validation = graph.nodes("validation")
    history: list[dict[str, float]] = []
    best, best_state = -1.0, model.state_dict()
    for epoch in range(1, config.epochs + 1):
        loss = _one_pass(model, graph, config, generator, optimizer, device)
        history.append({"epoch": epoch, "loss": loss})
        if len(validation):
            predicted = _scores(model, graph, whole).argmax(1)
            history[-1]["validation_accuracy"] = accuracy(graph.labels[validation], predicted[validation])
        score = history[-1].get("validation_accuracy", float(epoch))
        if score > best:
            best, best_state = score, deepcopy(model.state_dict())
        if progress:
            progress(history[-1])
    model.load_state_dict(best_state)
    return model.eval(), history


def random_parts(nodes: int, parts: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Each node in one of ``parts`` parts at random, part by part, nodes in order."""
    part = generator.integers(0, parts, nodes)
    return (np.flatnonzero(part == number) for number in range(parts))


def plain_scores(model: PlainGNN, graph: GraphData, config: PlainConfig, device: torch.device | str) -> np.ndarray:
    """``scores[N, classes]`` from the whole graph."""
    return _scores(model, graph, Neighbours(graph.adjacency, config.convolution, device))


def _one_pass(
    model: PlainGNN,
    graph: GraphData,
    config: PlainConfig,
    generator: np.random.Generator,
    optimizer: torch.optim.Optimizer,
    device: torch.device | str,
) -> float:
    """The mean loss over the training nodes of an epoch."""
    model.train()
    total, trained = 0.0, graph.trained
    for nodes in random_parts(len(graph.labels), config.parts, generator):
        known = trained[nodes]
        if not known.any():
            continue
        neighbours = Neighbours(graph.adjacency[nodes][:, nodes], config.convolution, device)
        scores = model(torch.from_numpy(graph.features[nodes]).to(device), neighbours)
        labels = torch.from_numpy(graph.labels[nodes[known]]).to(device)
        loss = functional.cross_entropy(scores[torch.from_numpy(known).to(device)], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * int(known.sum())
    return total / int(trained.sum())


@torch.inference_mode()
def _scores(model: PlainGNN, graph: GraphData, neighbours: Neighbours) -> np.ndarray:
    device = next(model.parameters()).device
    return model.eval()(torch.from_numpy(graph.features).to(device), neighbours).cpu().numpy()

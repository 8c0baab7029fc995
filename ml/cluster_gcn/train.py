"""Training a Cluster-GCN, and its exact scores on the whole graph. Not here: files, and the network itself."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ml.cluster_gcn.batches import ClusterBatches
from ml.cluster_gcn.data import GraphData
from ml.cluster_gcn.model import ClusterGCN
from ml.cluster_gcn.normalization import Normalization, normalize
from ml.cluster_gcn.propagation import Propagation
from ml.metrics.classification import macro_f1, micro_f1


@dataclass(frozen=True)
class Config:
    """How a Cluster-GCN is built and trained.

    ``inductive`` keeps every node but the training ones out of training (as the paper does); otherwise all edges and
    features are used, and only the labels of training nodes. ``class_weighting`` p weighs a class of n training nodes
    by n^-p. The defaults are what the validation products of the packaged retail data prefer; λ = 1 as in the paper's
    experiments is for deeper networks.
    """

    hidden_dim: int = 128
    layers: int = 3
    dropout: float = 0.2
    normalization: Normalization = "self_loops"
    diagonal_lambda: float = 0.0
    residual: bool = False
    layer_norm: bool = True
    concat: bool = True
    clusters_per_batch: int = 5
    epochs: int = 30
    learning_rate: float = 0.01
    weight_decay: float = 1e-4
    class_weighting: float = 0.1
    inductive: bool = False
    seed: int = 0
    clusters: int = 50
    """METIS clusters that the graph is to be divided into; who makes the graph's data does it."""


def train(
    graph: GraphData,
    config: Config,
    device: torch.device | str = "cpu",
    progress: Callable[[dict[str, float]], None] | None = None,
) -> tuple[ClusterGCN, list[dict[str, float]]]:
    """Fit on the training nodes; keep the first epoch that is most accurate on the validation nodes.

    The first layer's P X is computed once on the whole training graph (section 6.2); later layers see the batch alone.
    The same seed, device and number of threads give the same bits on a CPU.

    Returns:
        The model in evaluation mode, and one row an epoch: epoch, loss (mean over training nodes), validation_loss,
        validation_micro_f1 (of single labels the accuracy), validation_macro_f1, seconds (of training, without
        evaluation). ``progress`` gets each row.

    Raises:
        ValueError: no labelled node for training or none for validation, features that are not finite, or labels that
            are not those of the classes.
    """
    _check(graph)
    torch.manual_seed(config.seed)
    model = build(graph, config).to(device)
    features = torch.from_numpy(graph.features).to(device)
    model.standardize_on(features[graph.nodes("train")])

    seen = graph.nodes("train") if config.inductive else np.arange(len(graph.labels))
    adjacency = graph.adjacency[seen][:, seen]
    inputs = model.inputs(features[seen])
    propagated = Propagation(normalize(adjacency, config.normalization, config.diagonal_lambda), device)(inputs)
    labels = torch.from_numpy(graph.labels[seen]).to(device)
    learned = torch.from_numpy(np.isin(seen, graph.nodes("train"))).to(device)
    batches = ClusterBatches(
        adjacency,
        graph.clusters[seen],
        config.clusters_per_batch,
        config.seed,
        config.normalization,
        config.diagonal_lambda,
    )
    loss_of = _loss(graph, config.class_weighting).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    evaluate = _Validation(graph, config, device)
    history: list[dict[str, float]] = []
    best, best_state = -np.inf, model.state_dict()
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        model.train()
        total = 0.0
        for batch in batches:
            nodes = torch.from_numpy(batch.nodes).to(device)
            own = learned[nodes]
            labelled = int(own.sum())
            if not labelled:
                continue
            scores = model(Propagation(batch.propagation, device), inputs[nodes], propagated[nodes])
            loss = loss_of(scores[own], labels[nodes[own]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * labelled
        seconds = time.perf_counter() - started
        row = {"epoch": epoch, "loss": total / len(graph.nodes("train")), **evaluate(model), "seconds": seconds}
        history.append(row)
        if progress:
            progress(row)
        if row["validation_micro_f1"] > best:
            best, best_state = row["validation_micro_f1"], copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return model.eval(), history


def build(graph: GraphData, config: Config) -> ClusterGCN:
    """The untrained network for a graph's features and classes."""
    return ClusterGCN(
        graph.features.shape[1],
        config.hidden_dim,
        len(graph.classes),
        config.layers,
        config.dropout,
        config.residual,
        config.layer_norm,
        config.concat,
    )


@torch.inference_mode()
def predict(model: ClusterGCN, graph: GraphData, config: Config, device: torch.device | str = "cpu") -> np.ndarray:
    """Scores ``[N, classes]`` from all edges of the whole graph: exact, no clusters and no sampling."""
    propagation = Propagation(normalize(graph.adjacency, config.normalization, config.diagonal_lambda), device)
    return model.eval()(propagation, model.inputs(torch.from_numpy(graph.features).to(device))).cpu().numpy()


class _Validation:
    """Measures of the validation nodes, with the whole graph's edges; what does not change is computed once."""

    def __init__(self, graph: GraphData, config: Config, device: torch.device | str) -> None:
        matrix = normalize(graph.adjacency, config.normalization, config.diagonal_lambda)
        self.propagation = Propagation(matrix, device)
        self.features = torch.from_numpy(graph.features).to(device)
        self.nodes = graph.nodes("validation")
        self.labels = torch.from_numpy(graph.labels[self.nodes])
        self.loss_of = _loss(graph, 0.0)
        self.inputs: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def __call__(self, model: ClusterGCN) -> dict[str, float]:
        if self.inputs is None:
            inputs = model.inputs(self.features)
            self.inputs = inputs, self.propagation(inputs)
        scores = model.eval()(self.propagation, *self.inputs)[self.nodes].cpu()
        truth, predicted = self.labels.numpy(), said(scores.numpy(), self.labels.ndim == 2)
        return {
            "validation_loss": self.loss_of(scores, self.labels).item(),
            "validation_micro_f1": micro_f1(truth, predicted),
            "validation_macro_f1": macro_f1(truth, predicted),
        }


def said(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """What ``scores[n, classes]`` say: the best class ``[n]``, or each class above 0, ``[n, classes]`` of 0 and 1."""
    return (scores > 0).astype(np.uint8) if multi_label else scores.argmax(axis=1)


def _check(graph: GraphData) -> None:
    for split in ("train", "validation"):
        if not len(graph.nodes(split)):
            raise ValueError(f"no labelled node in the split {split}: the graph has {len(graph.labels)} nodes")
    broken = np.flatnonzero(~np.isfinite(graph.features).all(axis=1))
    if len(broken):
        raise ValueError(f"node {broken[0]} and {len(broken) - 1} others: features are not finite")
    highest = graph.labels.shape[1] - 1 if graph.multi_label else int(graph.labels.max())
    if highest >= len(graph.classes):
        raise ValueError(f"label {highest} is none of the {len(graph.classes)} classes")


def _loss(graph: GraphData, class_weighting: float) -> nn.Module:
    """Cross-entropy with weights by class, or of several labels the binary one of each class."""
    if graph.multi_label:
        return _BinaryCrossEntropy()
    return nn.CrossEntropyLoss(_class_weights(graph, class_weighting))


class _BinaryCrossEntropy(nn.Module):
    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(scores, labels.float())


def _class_weights(graph: GraphData, power: float) -> Tensor:
    """n_class^-power, scaled to mean 1 over the training nodes."""
    counts = np.bincount(graph.labels[graph.nodes("train")], minlength=len(graph.classes)).clip(min=1)
    weights = counts.astype(np.float64) ** -power
    return torch.tensor(weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32)

"""Training of a Cluster-GCN, and its exact scores on the whole graph. See ``ml.cluster_gcn.model``."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ml.cluster_gcn.batches import ClusterBatches
from ml.cluster_gcn.data import GraphData, check
from ml.cluster_gcn.evaluation import full_graph_scores
from ml.cluster_gcn.memory import peak_mib, reset_peak
from ml.cluster_gcn.model import ClusterGCN
from ml.cluster_gcn.normalization import Normalization
from ml.curves import Curves
from ml.metrics.classification import accuracy, macro_f1, micro_f1

Progress = Callable[[dict[str, float]], None]
Pass = Callable[[], Iterator[tuple[Tensor, np.ndarray]]]
"""One pass over the training data: for each batch its scores ``[n, classes]``, computed lazily, and ``nodes[n]``."""


@dataclass(frozen=True)
class Config:
    """Architecture and training of a Cluster-GCN.

    With ``inductive`` the training uses training nodes only, as in the paper; otherwise it uses all edges and features,
    and the labels of training nodes. ``class_weighting`` p weights a class of n training nodes by n^-p (one label per
    node). ``clusters`` is for the code that makes the partition; the training uses the clusters of the graph.
    ``block_rows`` limits the memory of evaluation. The defaults were selected on the validation products of the
    packaged retail data; λ = 1, as in the paper's experiments, suits deeper networks.
    """

    hidden_dim: int = 128
    layers: int = 3
    dropout: float = 0.2
    normalization: Normalization = "self_loops"
    diagonal_lambda: float = 0.0
    residual: bool = False
    layer_norm: bool = True
    concat: bool = True
    neighbour_dropout: float = 0.0
    clusters: int = 50
    clusters_per_batch: int = 5
    epochs: int = 30
    learning_rate: float = 0.01
    weight_decay: float = 1e-4
    class_weighting: float = 0.1
    inductive: bool = False
    block_rows: int = 1 << 16
    seed: int = 0


def train(
    graph: GraphData,
    config: Config,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    tensorboard: Path | None = None,
) -> tuple[ClusterGCN, list[dict[str, float]]]:
    """Train on the training nodes, cluster by cluster; keep the first epoch that is best on the validation nodes.

    The first layer's P X is computed once on the whole training graph (section 6.2); later layers use the batch only.
    With one cluster, or all clusters in a batch, this is full-batch training. The same seed, device and number of
    threads give the same bits on a CPU.

    Args:
        progress: called with each row of the history.
        tensorboard: folder of the event file (``ml.curves``); None writes none.

    Returns:
        The model in evaluation mode, and the rows of ``fit``.

    Raises:
        GraphDataError: the graph is not usable for training (``ml.cluster_gcn.data.check``).
    """
    check(graph)
    model, inputs = prepared(graph, config, device)
    used = graph.nodes("train") if config.inductive else np.arange(len(graph.labels))
    adjacency = graph.adjacency[used][:, used] if config.inductive else graph.adjacency
    features = inputs[used] if config.inductive else inputs
    propagated = model.propagation(adjacency)(features)
    batches = ClusterBatches(adjacency, graph.clusters[used], config.clusters_per_batch, config.seed)
    trained = graph.trained[used]

    def one_pass() -> Iterator[tuple[Tensor, np.ndarray]]:
        for batch in batches:
            if trained[batch.nodes].any():
                nodes = torch.from_numpy(batch.nodes).to(inputs.device)
                yield model(model.propagation(batch.adjacency), features[nodes], propagated[nodes]), used[batch.nodes]

    with Curves(tensorboard) as curves:
        return model, fit(model, graph, config, one_pass, inputs, [curves.add, *([progress] if progress else [])])


def prepared(graph: GraphData, config: Config, device: torch.device | str) -> tuple[ClusterGCN, Tensor]:
    """The untrained network, standardised by the training nodes, and its inputs ``X[N, F]`` on the device."""
    torch.manual_seed(config.seed)
    model = build(graph, config).to(device)
    features = torch.from_numpy(graph.features).to(device)
    model.standardize_on(features[graph.nodes("train")])
    return model, model.inputs(features)


def fit(
    model: ClusterGCN,
    graph: GraphData,
    config: Config,
    one_pass: Pass,
    inputs: Tensor,
    progress: Sequence[Progress] = (),
) -> list[dict[str, float]]:
    """Train ``model`` by Adam on any batches; afterwards it has its best epoch and is in evaluation mode.

    Returns:
        One row per epoch: epoch, loss (mean over training nodes), metrics of the validation nodes from all edges of
        the graph, seconds (of training, without evaluation), peak_memory_mib. ``progress`` is called with each row.
    """
    labels = torch.from_numpy(graph.labels).to(inputs.device)
    trained = torch.from_numpy(graph.trained).to(inputs.device)
    loss_of = _loss(graph, config, inputs.device)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    reset_peak(inputs.device)
    history: list[dict[str, float]] = []
    best_state = model.state_dict()
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        model.train()
        total = 0.0
        for scores, batch in one_pass():
            nodes = torch.from_numpy(batch).to(inputs.device)
            known = trained[nodes]
            loss = loss_of(scores[known], labels[nodes[known]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * int(known.sum())
        row = {"epoch": epoch, "loss": total / int(trained.sum())}
        seconds = time.perf_counter() - started
        row |= _validation(model, graph, inputs, config.block_rows) | {
            "seconds": seconds,
            "peak_memory_mib": peak_mib(inputs.device),
        }
        history.append(row)
        for report in progress:
            report(row)
        if chosen_epoch(history) is row:
            best_state = copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    model.eval()
    return history


def chosen_epoch(history: list[dict[str, float]]) -> dict[str, float]:
    """The first row that is best on validation nodes.

    The criterion is the mean of accuracy and macro-F1, so that neither the largest class nor chance in rare classes
    decides; if a node may have several classes, it is micro-F1. Without validation nodes the last epoch is chosen.
    """
    measured = [name for name in ("accuracy", "macro_f1", "micro_f1") if f"validation_{name}" in history[0]]
    return max(
        history, key=lambda row: sum(row[f"validation_{name}"] for name in measured) if measured else row["epoch"]
    )


def build(graph: GraphData, config: Config) -> ClusterGCN:
    """The untrained network for the features and classes of a graph."""
    return ClusterGCN(
        graph.features.shape[1],
        config.hidden_dim,
        len(graph.classes),
        config.layers,
        config.dropout,
        config.normalization,
        config.diagonal_lambda,
        config.residual,
        config.layer_norm,
        config.concat,
        config.neighbour_dropout,
    )


def predict(model: ClusterGCN, graph: GraphData, config: Config, device: torch.device | str = "cpu") -> np.ndarray:
    """Scores ``[N, classes]`` from all edges of the whole graph: exact, no clusters and no sampling.

    The class with the largest score is predicted; if a node may have several classes, all with a score above 0.
    """
    inputs = model.inputs(torch.from_numpy(graph.features).to(device))
    return full_graph_scores(model, graph.adjacency, inputs, config.block_rows).cpu().numpy()


def _validation(model: ClusterGCN, graph: GraphData, inputs: Tensor, block_rows: int) -> dict[str, float]:
    nodes = graph.nodes("validation")
    if not len(nodes):
        return {}
    scores = full_graph_scores(model, graph.adjacency, inputs, block_rows)[nodes].cpu()
    truth = graph.labels[nodes]
    if graph.multi_label:
        loss = nn.functional.binary_cross_entropy_with_logits(scores, torch.from_numpy(truth).float())
        return {"validation_loss": loss.item(), "validation_micro_f1": micro_f1(truth, scores.numpy() > 0)}
    predicted = scores.argmax(dim=1).numpy()
    return {
        "validation_loss": nn.functional.cross_entropy(scores, torch.from_numpy(truth)).item(),
        "validation_accuracy": accuracy(truth, predicted),
        "validation_macro_f1": macro_f1(truth, predicted),
    }


def _loss(graph: GraphData, config: Config, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """Mean cross entropy of ``scores[n, classes]``, binary per class if a node may have several classes."""
    if graph.multi_label:
        return lambda scores, labels: nn.functional.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype))
    return nn.CrossEntropyLoss(_class_weights(graph, config.class_weighting).to(device))


def _class_weights(graph: GraphData, power: float) -> Tensor:
    """n_class^-power, scaled to mean 1 over the training nodes."""
    counts = np.bincount(graph.labels[graph.nodes("train")], minlength=len(graph.classes)).clip(min=1)
    weights = counts.astype(np.float64) ** -power
    return torch.tensor(weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32)

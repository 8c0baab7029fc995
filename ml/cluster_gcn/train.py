"""Training of a Cluster-GCN, and its exact scores on the whole graph. See ``ml.cluster_gcn.model``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from ml.cluster_gcn.batches import ClusterBatches
from ml.cluster_gcn.data import GraphData, check
from ml.cluster_gcn.evaluation import full_graph_scores
from ml.cluster_gcn.model import ClusterGCN
from ml.cluster_gcn.normalization import Normalization
from ml.cluster_gcn.propagation import BatchPropagation, MatrixTensors, Propagation
from ml.cluster_gcn.resident import ClusterSizes, Cut, ResidentGraph
from ml.distributed import AllGather, Rows, mean_over_processes
from ml.files import content_hash
from ml.harness import Entry, Runtime, Trainer
from ml.loading import Batches
from ml.memory_counters import peak_mib, reset_peak
from ml.metrics.classification import accuracy, macro_f1, micro_f1

Part = TypeVar("Part")
SHARE_OF_MEMORY = 0.25
"""Largest share of a GPU's memory for the edges of a graph that stays there."""
Progress = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Config:
    """Architecture and training of a Cluster-GCN.

    With ``inductive`` the training uses training nodes only, as in the paper; otherwise it uses all edges and features,
    and the labels of training nodes. ``class_weighting`` p weights a class of n training nodes by n^-p (one label per
    node). ``clusters`` is for the code that makes the partition; the training uses the clusters of the graph.
    ``block_rows`` limits the memory of evaluation. The defaults were selected on the validation products of the
    packaged retail data; λ = 1, as in the paper's experiments, suits deeper networks. ``first_normalization`` none is
    the first layer A X of the authors' code, whose default is ``precalc``.
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
    first_normalization: Normalization | None = None
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
    checkpoints: Path | None = None,
) -> tuple[ClusterGCN, list[dict[str, float]]]:
    """Train on the training nodes, cluster by cluster; keep the last epoch that is best on the validation nodes.

    The first layer's P X is computed once on the whole training graph (section 6.2); later layers use the batch only.
    With one cluster, or all clusters in a batch, this is full-batch training. The same seed, device and number of
    threads give the same bits on a CPU.

    Args:
        progress: called with each row of the history.
        tensorboard: folder of the event file (``ml.curves``); None writes none.
        checkpoints: folder from which an interrupted training continues; None starts again.

    Returns:
        The model in evaluation mode, and the rows of ``fit``.

    Raises:
        GraphDataError: the graph is not usable for training (``ml.cluster_gcn.data.check``).
    """
    task = cluster_task(graph, config, device)
    return task.model, fit(
        task, Runtime(device=str(device), tensorboard=tensorboard, checkpoints=checkpoints), progress
    )


def cluster_task(graph: GraphData, config: Config, device: torch.device | str) -> GraphTask[ClusterPart]:
    """The training of ``train``, ready to start.

    Raises:
        GraphDataError: the graph is not usable for training.
    """
    check(graph)
    model, inputs = prepared(graph, config, device)
    used = graph.nodes("train") if config.inductive else np.arange(len(graph.labels))
    adjacency = graph.adjacency[used][:, used] if config.inductive else graph.adjacency
    clusters = ClusterBatches(adjacency, graph.clusters[used], config.clusters_per_batch, config.seed)
    resident = _resident(adjacency, graph.clusters[used], inputs.device)
    batches = ClusterParts(clusters, graph.trained[used], config, resident)
    network = _ClusterNetwork(model, graph, inputs, used, model.first_propagation(adjacency), resident)
    return GraphTask(network, model, graph, config, batches, len(clusters), inputs, repeated=True)


def _resident(adjacency: sparse.csr_array, clusters: np.ndarray, device: torch.device) -> ClusterSizes | None:
    """The sizes by which batches are cut on the device; None on the CPU, and for a graph that is too large for it.

    On the CPU, another thread cuts the next batch during a step.
    """
    if device.type != "cuda":
        return None
    sizes = ClusterSizes(adjacency, clusters)
    available = torch.cuda.get_device_properties(device).total_memory
    return sizes if ResidentGraph.bytes_needed(sizes) < SHARE_OF_MEMORY * available else None


class ClusterPart(NamedTuple):
    """A batch of clusters: its propagation matrix, its ``nodes[n]``, and the places of those whose loss counts.

    In place of the matrix there may be the sizes by which it is cut on the device.
    """

    matrix: MatrixTensors | Cut
    nodes: Tensor
    known: Tensor


@dataclass(frozen=True)
class ClusterParts:
    """The batches of a training by step (``ml.loading.Batches``).

    With several processes, each computes the scores of the whole batch and the loss of a share of its nodes, because
    every node needs its neighbours.
    """

    clusters: ClusterBatches
    trained: np.ndarray
    config: Config
    resident: ClusterSizes | None = None

    def __call__(self, step: int, process: int, processes: int) -> list[ClusterPart]:
        matrix: MatrixTensors | Cut
        if self.resident:
            nodes, matrix = self.resident.cut(self.clusters.chosen(step))
        else:
            batch = self.clusters[step]
            nodes = batch.nodes
            matrix = MatrixTensors.of(batch.adjacency, self.config.normalization, self.config.diagonal_lambda)
        known = np.flatnonzero(self.trained[nodes])[process::processes]
        return [ClusterPart(matrix, torch.from_numpy(nodes), torch.from_numpy(known))]


class _ClusterNetwork(nn.Module):
    """Scores and labels of the training nodes of a batch; features are on the device, in the order of ``used``."""

    features: Tensor
    propagated: Tensor
    labels: Tensor
    edges: ResidentGraph

    def __init__(
        self,
        model: ClusterGCN,
        graph: GraphData,
        inputs: Tensor,
        used: np.ndarray,
        propagation: Propagation,
        resident: ClusterSizes | None,
    ) -> None:
        super().__init__()
        self.model = model
        if resident:
            self.edges = ResidentGraph(resident, model.normalization, model.diagonal_lambda).to(inputs.device)
        features = inputs[torch.from_numpy(used).to(inputs.device)] if len(used) < len(inputs) else inputs
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("propagated", propagation(features), persistent=False)
        self.register_buffer("labels", torch.from_numpy(graph.labels[used]).to(inputs.device), persistent=False)

    def forward(self, part: ClusterPart) -> Rows:
        propagation = BatchPropagation(self.edges(part.matrix) if isinstance(part.matrix, Cut) else part.matrix)
        scores = self.model(propagation, self.features[part.nodes], self.propagated[part.nodes])
        return {"scores": scores[part.known], "labels": self.labels[part.nodes[part.known]]}


def prepared(graph: GraphData, config: Config, device: torch.device | str) -> tuple[ClusterGCN, Tensor]:
    """The untrained network, standardised by the training nodes, and its inputs ``X[N, F]`` on the device."""
    torch.manual_seed(config.seed)
    model = build(graph, config).to(device)
    features = torch.from_numpy(graph.features).to(device)
    model.standardize_on(features[graph.nodes("train")])
    return model, model.inputs(features)


class GraphTask(Generic[Part]):
    """Steps of AdamW on batches of nodes, for ``ml.harness.Trainer``.

    Args:
        network: from a part to the ``scores[n, classes]`` and the ``labels`` of training nodes; it contains ``model``.
        batches: by step; steps_per_epoch: how many of them are a pass.
        inputs: ``X[N, F]``, standardised, on the device.
        repeated: whether every process gets whole batches (``ml.harness``).
    """

    max_norm: float | None = None
    divisible = None  # a node needs its neighbours

    def __init__(
        self,
        network: nn.Module,
        model: ClusterGCN,
        graph: GraphData,
        config: Config,
        batches: Batches[Part],
        steps_per_epoch: int,
        inputs: Tensor,
        repeated: bool,
    ) -> None:
        self.network, self.model, self.graph, self.config = network, model, graph, config
        self.batches, self.inputs, self.seed, self.repeated = batches, inputs, config.seed, repeated
        self.compiled: Sequence[nn.Module] = ()  # products of sparse matrices are not compiled
        self.optimiser = torch.optim.AdamW(
            model.parameters(),
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=inputs.device.type != "mps",
        )
        self.steps, self.steps_per_epoch = config.epochs * steps_per_epoch, steps_per_epoch
        self.items = int(graph.trained.sum()) // steps_per_epoch
        self.hyper_parameters = asdict(config)
        weights = None if graph.multi_label else _class_weights(graph, config.class_weighting)
        self.weights = weights if weights is None else weights.to(inputs.device)

    @cached_property
    def identity(self) -> str:
        start = [float(tensor.double().sum()) for tensor in self.model.state_dict().values()]
        graph = self.graph
        data = (graph.adjacency.data, graph.adjacency.indices, graph.labels, graph.clusters)
        content = [hashlib.sha256(each.tobytes()).hexdigest() for each in data]
        return content_hash((asdict(self.config), start, content, float(self.inputs.double().sum())), digits=64)

    def learning_rate_factor(self, step: int) -> float:
        return 1.0

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        """Mean cross entropy, weighted by class; binary per class if a node may have several. 0 without a node."""
        scores, labels = rows["scores"], rows["labels"]
        if self.weights is None:
            losses = nn.functional.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype), reduction="none")
            return {"loss": mean_over_processes(losses.mean(1), all_gather)}
        weights = self.weights[labels]
        losses = weights * nn.functional.cross_entropy(scores, labels, reduction="none")
        return {"loss": losses.sum() / all_gather(weights).sum().clamp(min=1e-12)}

    def validate(self) -> Entry:
        return {
            **_validation(self.model, self.graph, self.inputs, self.config.block_rows),
            "peak_memory_mib": peak_mib(self.inputs.device),
        }

    def score(self, entry: Entry) -> float:
        return score(entry)


def fit(task: GraphTask[Any], runtime: Runtime, progress: Progress | None = None) -> list[dict[str, float]]:
    """Train; afterwards the model has its best epoch and is in evaluation mode.

    Returns:
        One row per epoch: epoch, loss (mean over the steps), metrics of the validation nodes from all edges of the
        graph, learning_rate, seconds (of training, without evaluation), items_per_s (nodes), peak_memory_mib.
        ``progress`` is called with each row.
    """
    reset_peak(task.inputs.device)
    history = Trainer(runtime, progress).fit(task)
    task.model.eval()
    return history


def chosen_epoch(history: Sequence[Entry]) -> Entry:
    """The last row that is best by ``score``."""
    return max(reversed(history), key=score)


def score(entry: Entry) -> float:
    """Quality of an epoch on the validation nodes; without validation nodes, its number.

    It is the mean of accuracy and macro-F1, so that neither the largest class nor chance in rare classes decides; if a
    node may have several classes, it is micro-F1.
    """
    names = [f"validation_{name}" for name in ("accuracy", "macro_f1", "micro_f1") if f"validation_{name}" in entry]
    return sum(entry[name] for name in names) / len(names) if names else entry["epoch"]


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
        config.first_normalization,
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


def _class_weights(graph: GraphData, power: float) -> Tensor:
    """n_class^-power, scaled to mean 1 over the training nodes."""
    counts = np.bincount(graph.labels[graph.nodes("train")], minlength=len(graph.classes)).clip(min=1)
    weights = counts.astype(np.float64) ** -power
    return torch.tensor(weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32)

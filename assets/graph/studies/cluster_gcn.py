"""Comparisons of Cluster-GCNs by partition, depth and memory, scored on validation nodes. Imports torch."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
import polars as pl

from assets.graph.clusters import cluster_count, clusters_of, edge_cut, measured_clusters
from assets.lake import load_tables
from ml.cluster_gcn.data import GraphData
from ml.cluster_gcn.normalization import Normalization
from ml.cluster_gcn.partition import PARTITIONERS, random_partition
from ml.cluster_gcn.sampling import train_by_sampling
from ml.cluster_gcn.train import Config, chosen_epoch, train
from ml.memory_counters import added_memory
from ml.training import pick_device

Method = Literal["METIS clusters", "KaMinPar clusters", "random clusters", "full batch", "neighbour sampling"]
Subject = Literal["partition", "depth", "memory"]
Progress = Callable[[str], None]

EPOCHS = 15
"""Epochs of a training that is compared by its scores."""

DEPTH_EPOCHS = 30
"""Epochs of the comparison of depths: deep networks learn late or never, which is what it measures."""

MEASURED_EPOCHS = 3
"""Epochs of a training that is compared by memory and time alone."""

PROPAGATIONS: dict[str, tuple[Normalization, float]] = {
    "D⁻¹A (eq 1)": ("row", 0.0),
    "D⁻¹A + I (eq 9)": ("row_and_identity", 0.0),
    "Ã (eq 10)": ("self_loops", 0.0),
    "Ã + diag(Ã) (eq 11)": ("self_loops", 1.0),
}
"""The choices of P in X' = σ(P X W) in the published comparison of depths."""


@dataclass(frozen=True)
class Trial:
    """One training: the construction of its graph, how its batches are made, and its network."""

    construction: str
    method: Method
    config: Config

    @property
    def propagation(self) -> str:
        """Name of the matrix P."""
        chosen = self.config.normalization, self.config.diagonal_lambda
        return next((name for name, settings in PROPAGATIONS.items() if settings == chosen), f"{chosen}")


def partition_trials(constructions: Sequence[str], config: Config, seeds: Sequence[int]) -> list[Trial]:
    """Clusters of each partitioner and random ones, with one or more per batch, on several graphs (tables 2 and 4)."""
    methods: tuple[Method, ...] = ("METIS clusters", "KaMinPar clusters", "random clusters")
    batches = [each for each in (1, 5, 20) if each < config.clusters]
    return [
        Trial(construction, method, replace(config, clusters_per_batch=each, epochs=EPOCHS, seed=seed))
        for construction, method, each, seed in product(constructions, methods, batches, seeds)
    ]


def depth_trials(construction: str, config: Config, seeds: Sequence[int], depths: Sequence[int]) -> list[Trial]:
    """Each propagation at each depth, with the paper's plain layer X' = σ(P X W) without concatenation (table 11).

    Uses layer norm, as the authors' code does, and one cluster per batch, as the paper does for this table.
    """
    plain = replace(config, concat=False, layer_norm=True, clusters_per_batch=1, epochs=DEPTH_EPOCHS)
    return [
        Trial(
            construction,
            "METIS clusters",
            replace(plain, layers=layers, normalization=normalization, diagonal_lambda=diagonal_lambda, seed=seed),
        )
        for (normalization, diagonal_lambda), layers, seed in product(PROPAGATIONS.values(), depths, seeds)
    ]


def memory_trials(construction: str, config: Config, depths: Sequence[int], widths: Sequence[int]) -> list[Trial]:
    """Clusters, full batch and neighbour sampling, at each depth and width (table 5)."""
    methods: tuple[Method, ...] = ("METIS clusters", "full batch", "neighbour sampling")
    return [
        Trial(construction, method, replace(config, layers=layers, hidden_dim=width, epochs=MEASURED_EPOCHS))
        for method, layers, width in product(methods, depths, widths)
    ]


def trials(subject: Subject, constructions: Sequence[str], config: Config, seeds: Sequence[int]) -> list[Trial]:
    """The trainings of a comparison; those of depth and memory use the first construction alone."""
    match subject:
        case "partition":
            return partition_trials(constructions, config, seeds)
        case "depth":
            return depth_trials(constructions[0], config, seeds, depths=range(2, 9))
        case "memory":
            widths = (config.hidden_dim, 4 * config.hidden_dim)
            return memory_trials(constructions[0], config, depths=(2, 3, 4, 6), widths=widths)


def compare(
    subject: Subject,
    graphs: Mapping[str, GraphData],
    trials: Sequence[Trial],
    device: str = "cpu",
    progress: Progress = print,
) -> pl.DataFrame:
    """Rows of ``cluster_gcn_studies``, one per trial.

    A trial that measures memory runs in its own process, so that memory which an earlier trial allocated and freed
    does not count.

    Args:
        graphs: graphs by the name of their construction.
        progress: called with one line per row.

    Raises:
        GraphDataError: a graph cannot be learned from.
        GraphError: more clusters than a graph has nodes with an edge.
    """
    clustered: dict[tuple[str, Method, int, int], tuple[GraphData, dict[str, float]]] = {}
    rows: list[dict[str, Any]] = []
    for trial in trials:
        key = trial.construction, trial.method, trial.config.clusters, trial.config.seed
        if key not in clustered:
            clustered[key] = _clustered(graphs[trial.construction], trial, measured=subject == "partition")
        graph, cost = clustered[key]
        scores = _scores_and_memory(graph, trial, device) if subject == "memory" else _scores(graph, trial, device)
        rows.append({"subject": subject, **_described(graph, trial), **cost, **scores})
        progress(_line(rows[-1]))
    table = load_tables()["cluster_gcn_studies"]
    return table.frame(tuple(row.get(column.name) for column in table.columns) for row in rows)


def _clustered(graph: GraphData, trial: Trial, measured: bool) -> tuple[GraphData, dict[str, float]]:
    """The graph with the trial's clusters, and their cost if it is measured."""
    config, nodes = trial.config, len(graph.labels)
    partitioner = next((key for key, name in PARTITIONERS.items() if trial.method == f"{name} clusters"), None)
    if partitioner is None:
        random = trial.method == "random clusters"
        clusters = random_partition(nodes, config.clusters, config.seed) if random else np.zeros(nodes, np.int64)
        return replace(graph, clusters=clusters), {}
    requested = graph.adjacency, config.clusters, config.seed, None, partitioner
    if not measured:
        return replace(graph, clusters=clusters_of(*requested)), {}
    made = measured_clusters(*requested)
    return replace(graph, clusters=made.clusters), {"partition_seconds": made.seconds, "partition_mib": made.mib}


def _scores(graph: GraphData, trial: Trial, device: str) -> dict[str, float]:
    learn = train_by_sampling if trial.method == "neighbour sampling" else train
    _, history = learn(graph, trial.config, device=pick_device(device))
    chosen = chosen_epoch(history)
    return {
        "loss": history[-1]["loss"],
        "accuracy": chosen["validation_accuracy"],
        "macro_f1": chosen["validation_macro_f1"],
        "epoch_seconds": statistics.median(row["seconds"] for row in history),
    }


def _scores_and_memory(graph: GraphData, trial: Trial, device: str) -> dict[str, float]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure_memory, graph, trial, device).result()


def _measure_memory(graph: GraphData, trial: Trial, device: str) -> dict[str, float]:
    scores, mib = added_memory(lambda: _scores(graph, trial, device), pick_device(device))
    return {**scores, "memory_mib": mib}


def _described(graph: GraphData, trial: Trial) -> dict[str, Any]:
    config = trial.config
    in_clusters = trial.method.endswith("clusters")
    return {
        "construction": trial.construction,
        "method": trial.method,
        "layers": config.layers,
        "hidden_dim": config.hidden_dim,
        "propagation": trial.propagation,
        "clusters_per_batch": config.clusters_per_batch if in_clusters else 0,
        "seed": config.seed,
        "clusters": cluster_count(graph.clusters) if in_clusters else 0,
        "edge_cut": edge_cut(graph.adjacency, graph.clusters) if in_clusters else None,
        "epochs": config.epochs,
    }


def _line(row: Mapping[str, Any]) -> str:
    def parts() -> Iterator[str]:
        yield f"{row['method']} on {row['construction']}"
        yield f"{row['layers']} layers of {row['hidden_dim']}, {row['propagation']}"
        if row["clusters"]:
            yield f"{row['clusters_per_batch']} of {row['clusters']} clusters per batch"
        if row.get("partition_seconds") is not None:
            yield f"partition {row['partition_seconds']:.2f} s, {row['partition_mib']:.0f} MiB"
        yield f"accuracy {row['accuracy']:.3f}, macro-F1 {row['macro_f1']:.3f}, {row['epoch_seconds']:.2f} s per epoch"
        if row.get("memory_mib") is not None:
            yield f"{row['memory_mib']:.0f} MiB"

    return "; ".join(parts())

"""Comparison of models with and without edges, on validation products. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from assets.lake import load_tables
from ml.cluster_gcn.baselines import logistic_regression, multilayer_perceptron
from ml.cluster_gcn.data import UNLABELLED, GraphData
from ml.cluster_gcn.train import Config, predict, train
from ml.metrics.classification import accuracy, macro_f1
from ml.training import pick_device

REFERENCE = "the network without edges"
"""The model that others are compared with, product by product."""

Predictions = Callable[[GraphData, int], np.ndarray]
"""Computes ``predicted[N]`` of a graph's nodes from a seed."""


def models(config: Config, device: str) -> dict[str, tuple[Predictions, bool]]:
    """The models by name, the reference first, and whether the seed changes their predictions."""

    def network(**changes: object) -> Predictions:
        def predicted(graph: GraphData, seed: int) -> np.ndarray:
            wanted, place = replace(config, seed=seed, **changes), pick_device(device)  # type: ignore[arg-type]
            model, _ = train(graph, wanted, place)
            return predict(model, graph, wanted, place).argmax(axis=1)

        return predicted

    def without_edges(graph: GraphData, seed: int) -> np.ndarray:
        return multilayer_perceptron(graph, replace(config, seed=seed))

    wide = {"hidden_dim": 2 * config.hidden_dim, "diagonal_lambda": 1.0}
    return {
        REFERENCE: (without_edges, True),
        "logistic regression": (lambda graph, _: logistic_regression(graph), False),
        "Cluster-GCN": (network(), True),
        "Cluster-GCN, twice as wide, λ 1": (network(**wide), True),
        "Cluster-GCN, twice as wide, λ 1, neighbours left out half the time": (
            network(**wide, neighbour_dropout=0.5),
            True,
        ),
    }


def compare(
    graphs: Mapping[str, GraphData],
    config: Config,
    seeds: Sequence[int],
    device: str = "cpu",
    progress: Callable[[str], None] = print,
) -> pl.DataFrame:
    """Rows of ``own_features_study``: each model on each of the ``graphs``, which differ in their features only.

    Args:
        graphs: graphs by the name of their features.
        progress: called with one line per row.

    Raises:
        GraphDataError: a graph cannot be learned from.
    """
    table = load_tables()["own_features_study"]
    rows: list[dict[str, Any]] = []
    for features, graph in graphs.items():
        reference: dict[int, np.ndarray] = {}
        for name, (predictions, seeded) in models(config, device).items():
            for seed in seeds if seeded else seeds[:1]:
                predicted = predictions(graph, seed)
                hits = predicted == graph.labels
                reference.setdefault(seed, hits)
                trial = {"features": features, "model": name, "seed": seed, "columns": graph.features.shape[1]}
                rows.append(trial | _scores(graph, predicted) | _against_reference(graph, hits, reference[seed]))
                scores = ", ".join(f"{score.replace('_', ' ')} {rows[-1][score]:.3f}" for score in _SCORES)
                progress(f"{features}, {name}, seed {seed}: {scores}")
    return table.frame(tuple(row[column.name] for column in table.columns) for row in rows)


_SCORES = ("train_accuracy", "accuracy", "macro_f1")


def _scores(graph: GraphData, predicted: np.ndarray) -> dict[str, float]:
    trained, validation = graph.nodes("train"), graph.nodes("validation")
    return {
        "train_accuracy": accuracy(graph.labels[trained], predicted[trained]),
        "accuracy": accuracy(graph.labels[validation], predicted[validation]),
        "macro_f1": macro_f1(graph.labels[validation], predicted[validation]),
    }


def _against_reference(graph: GraphData, hits: np.ndarray, reference: np.ndarray) -> dict[str, float | int | None]:
    """Validation nodes that the model fixes and regresses against the reference, and its nodes' neighbourhoods."""
    validation = graph.nodes("validation")
    own, theirs = hits[validation], reference[validation]
    around = same_label_weight(graph)[validation]
    return {
        "fixed": int((own & ~theirs).sum()),
        "regressed": int((theirs & ~own).sum()),
        "same_label_weight_right": _mean(around[own]),
        "same_label_weight_wrong": _mean(around[~own]),
    }


def same_label_weight(graph: GraphData) -> np.ndarray:
    """``share[N]`` of a node's edge weight to training nodes that goes to its own label; NaN without such edges."""
    known = np.where(graph.trained, graph.labels, UNLABELLED)
    edges = graph.adjacency.tocoo()
    counted = known[edges.col] != UNLABELLED
    row, weight = edges.row[counted], edges.data[counted].astype(np.float64)
    same = graph.labels[row] == known[edges.col[counted]]
    total = np.bincount(row, weight, minlength=len(known))
    with np.errstate(invalid="ignore"):
        share: np.ndarray = np.bincount(row, weight * same, minlength=len(known)) / total
    return share


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def figure(study: pl.DataFrame) -> Figure:
    """Dot plot of accuracy and macro-F1 per model, one dot per seed, one colour per set of features."""
    names = study["model"].unique(maintain_order=True).to_list()[::-1]
    drawn = Figure(figsize=(11, 1.4 + 0.4 * len(names)), dpi=80, layout="constrained")
    panels = drawn.subplots(1, len(_SCORES), sharey=True)
    for axes, score in zip(panels, _SCORES, strict=True):
        for features, rows in study.group_by("features", maintain_order=True):
            axes.plot(rows[score], [names.index(name) for name in rows["model"]], "o", alpha=0.6, label=features[0])
        axes.set_yticks(range(len(names)), names)
        axes.set_title(score.replace("_", " "))
        axes.grid(alpha=0.3)
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, title="features")
    return drawn

"""Comparison of ways to make edges from co-purchases, by graph measures and by the validation scores of two models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import duckdb
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from scipy import sparse

from assets.graph.arrays import adjacency, feature_matrix, label_numbers
from assets.graph.clusters import clusters_of, edge_cut
from assets.graph.edges import GraphError, edges
from assets.graph.features import node_features
from assets.graph.nodes import graph_edges, graph_nodes
from assets.graph.options import Construction, GraphOptions
from assets.lake import load_tables
from assets.splits import SplitOptions
from ml.cluster_gcn.data import UNLABELLED, GraphData

EPOCHS = 10
"""Epochs of the short training, after which the ranking of the constructions no longer changes."""


_NO_EDGES = pl.DataFrame(schema={"node_a": pl.Int64, "node_b": pl.Int64, "weight": pl.Float64})


def constructions(min_baskets: int) -> tuple[Construction, ...]:
    """The constructions to compare, by raw counts and by each measure, of pairs in ``min_baskets`` baskets."""
    return (
        Construction("baskets", 0, False, min_baskets + 1),
        Construction("baskets", 10, False, min_baskets),
        Construction("lift", 20, True, min_baskets),
        Construction("npmi", 20, True, min_baskets),
        Construction("npmi", 10, False, min_baskets),
        Construction("significance", 20, True, min_baskets),
        Construction("significance", 10, False, min_baskets),
    )


@dataclass(frozen=True)
class _Compared:
    """The products that all constructions are scored on, and the predictions of logistic regression for them."""

    nodes: pl.DataFrame
    graph: GraphData
    predicted: np.ndarray


def construction_study(
    co_purchases: duckdb.DuckDBPyRelation,
    products: pl.DataFrame,
    transactions: pl.DataFrame,
    compared: Sequence[Construction],
    options: GraphOptions,
    split: SplitOptions,
    seeds: Sequence[int] = (0,),
    progress: Callable[[str], None] = print,
) -> pl.DataFrame:
    """Rows of ``graph_construction_study``, one per construction and seed.

    Every product with a pair is a node of every graph, so that all rows refer to the same validation products; a
    product without an edge in a construction is classified by its features alone. Labels of test products are not
    used. A construction without edges, or with too few for the clusters, has a row with the reason.

    Args:
        progress: called with one line per row.

    Raises:
        GraphError: there is no labelled product for training, or none for validation.
    """
    everything = _compared(co_purchases, products, transactions, options, split)
    rows: list[dict[str, Any]] = []
    for construction, seed in product(compared, seeds):
        row = {"construction": construction.name, "seed": seed, **vars(construction)}
        started = time.perf_counter()
        try:
            row |= _measures(everything, edges(co_purchases, construction), options, seed)
            scores = ", ".join(f"{name} {row[name]:.3f}" for name in ("gcn_accuracy", "gcn_macro_f1"))
            progress(f"{construction.name}, seed {seed}: {scores}, {time.perf_counter() - started:.1f} s")
        except GraphError as error:
            row["reason"] = str(error)
            progress(f"{construction.name}, seed {seed}: {error}")
        rows.append(row)
    table = load_tables()["graph_construction_study"]
    return table.frame(tuple(row.get(column.name) for column in table.columns) for row in rows)


def _measures(everything: _Compared, kept: pl.DataFrame, options: GraphOptions, seed: int) -> dict[str, Any]:
    matrix = adjacency(everything.nodes, graph_edges(kept, everything.nodes))
    clusters = clusters_of(matrix, options.clusters, seed, partitioner=options.partitioner)
    graph = replace(everything.graph, adjacency=matrix, clusters=clusters)
    predictions = {"lr": everything.predicted, "gcn": cluster_gcn_predictions(graph, seed)}
    return {**_shape(graph), **_scores(graph, predictions)}


def cluster_gcn_predictions(graph: GraphData, seed: int) -> np.ndarray:
    """``predicted[N]`` of a Cluster-GCN that is trained for a few epochs."""
    from ml.cluster_gcn.train import Config, predict, train

    config = Config(epochs=EPOCHS, seed=seed)
    model, _ = train(graph, config)
    return predict(model, graph, config).argmax(axis=1)


def homophily(matrix: sparse.csr_array, labels: np.ndarray) -> tuple[float | None, float | None]:
    """Edge homophily h, and adjusted homophily (h - c) / (1 - c) with c = Σ_k D_k² / (2E)² (Platonov 2023).

    D_k is the sum of degrees of class k. Edges between labelled nodes count, without their weight. None if there is no
    such edge; the adjusted homophily is None if all labels are equal.
    """
    both = sparse.triu(matrix, k=1, format="coo")
    a, b = labels[both.row], labels[both.col]
    known = (a != UNLABELLED) & (b != UNLABELLED)
    if not known.any():
        return None, None
    same = float(np.mean(a[known] == b[known]))
    degrees = np.bincount(np.concatenate([a[known], b[known]]))
    chance = float(np.sum((degrees / degrees.sum()) ** 2))
    return same, (same - chance) / (1 - chance) if chance < 1 else None


def _compared(
    co_purchases: duckdb.DuckDBPyRelation,
    products: pl.DataFrame,
    transactions: pl.DataFrame,
    options: GraphOptions,
    split: SplitOptions,
) -> _Compared:
    from ml.cluster_gcn.baselines import logistic_regression

    nodes = graph_nodes(co_purchases.select("product_a", "product_b").pl(), products, split, options.label)
    features = node_features(nodes, products, transactions, options.label, options.manufacturer)
    labels, classes = label_numbers(nodes)
    graph = GraphData(
        adjacency=adjacency(nodes, _NO_EDGES),
        features=feature_matrix(nodes, features)[0],
        labels=labels,
        splits=nodes["split"].to_numpy(),
        clusters=np.zeros(len(nodes), np.int64),
        classes=classes,
    )
    for name in ("train", "validation"):
        if not len(graph.nodes(name)):
            raise GraphError(f"no labelled product in the split {name}, of {len(nodes)} products that are in any pair")
    return _Compared(nodes, graph, logistic_regression(graph))


def _shape(graph: GraphData) -> dict[str, float | int | None]:
    linked = int((np.diff(graph.adjacency.indptr) > 0).sum())
    same, adjusted = homophily(graph.adjacency, np.where(graph.splits == "test", UNLABELLED, graph.labels))
    return {
        "nodes": linked,
        "edges": graph.adjacency.nnz // 2,
        "isolated_share": 1 - linked / len(graph.labels),
        "edge_cut": edge_cut(graph.adjacency, graph.clusters),
        "homophily": same,
        "adjusted_homophily": adjusted,
    }


def _scores(graph: GraphData, predictions: dict[str, np.ndarray]) -> dict[str, float | int | None]:
    validation = graph.nodes("validation")
    connected = validation[np.diff(graph.adjacency.indptr)[validation] > 0]
    scores: dict[str, float | int | None] = {
        "validation_nodes": len(validation),
        "connected_validation_nodes": len(connected),
    }
    for prefix, nodes in (("", validation), ("connected_", connected)):
        for model, predicted in predictions.items():
            for metric, value in _metrics(graph.labels[nodes], predicted[nodes]):
                scores[f"{prefix}{model}_{metric}"] = value
    return scores


def _metrics(truth: np.ndarray, predicted: np.ndarray) -> Iterator[tuple[str, float | None]]:
    from ml.metrics.classification import accuracy, macro_f1

    yield "accuracy", accuracy(truth, predicted) if len(truth) else None
    yield "macro_f1", macro_f1(truth, predicted) if len(truth) else None


_CONSTRUCTIONS = {
    "accuracy": ("gcn_accuracy", "lr_accuracy"),
    "macro-F1": ("gcn_macro_f1", "lr_macro_f1"),
    "share": ("edge_cut", "homophily", "adjusted_homophily", "isolated_share"),
}


def constructions_figure(study: pl.DataFrame) -> Figure:
    """Dot plot of ``graph_construction_study``, one line per construction, averaged over seeds."""
    shown = [column for columns in _CONSTRUCTIONS.values() for column in columns]
    mean = study.group_by("construction").agg(pl.col(shown).mean()).sort("gcn_accuracy")
    figure = Figure(figsize=(12, 1.2 + 0.3 * len(mean)), dpi=80, layout="constrained")
    panels = figure.subplots(1, len(_CONSTRUCTIONS), sharey=True)
    for axes, (title, columns) in zip(panels, _CONSTRUCTIONS.items(), strict=True):
        for column in columns:
            axes.plot(mean[column], mean["construction"], "o", label=column.replace("_", " "))
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure

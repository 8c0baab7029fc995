"""Uses of the graph's spectrum: clusters, smoothness of signals, and filters before a classifier.

See ``ml.spectral`` for the transforms. Labels of test products are not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from scipy import sparse

if TYPE_CHECKING:
    from ml.cluster_gcn.data import GraphData
    from ml.cluster_gcn.partition import Partitioner
    from ml.spectral import Kernel

RANDOM_SIGNALS = 100

INVERSE_PENALTY = 0.1
"""scikit-learn's C: the same for every set of features, as none of them was tuned."""

_COMPARISON = {"study": pl.String, "method": pl.String, "metric": pl.String, "value": pl.Float64}


def cluster_comparison(
    adjacency: sparse.csr_array, clusters: np.ndarray, seed: int = 0, partitioner: Partitioner = "metis"
) -> pl.DataFrame:
    """Clusters of a partitioner compared with as many spectral and random clusters.

    Args:
        clusters: ``cluster[N]`` of the partitioner, numbered from 0.

    Returns:
        study (clusters), method, metric, value: the normalised cut, from 0 to the number of clusters; the share of edge
        weight cut; and the share of nodes in the largest cluster, which only the partitioner limits.
    """
    from ml.cluster_gcn.partition import PARTITIONERS, random_partition
    from ml.spectral import normalized_cut, spectral_clusters

    count = int(clusters.max()) + 1
    methods = {
        PARTITIONERS[partitioner]: clusters,
        "spectral": spectral_clusters(adjacency, count, seed),
        "random": random_partition(len(clusters), count, seed),
    }
    edges = sparse.coo_array(adjacency)
    rows = [
        ("clusters", method, metric, value)
        for method, numbers in methods.items()
        for metric, value in (
            ("normalised cut", normalized_cut(adjacency, numbers)),
            ("edge weight cut", float(edges.data[numbers[edges.row] != numbers[edges.col]].sum() / edges.data.sum())),
            ("largest cluster", float(np.bincount(numbers).max() / len(numbers))),
        )
    ]
    return pl.DataFrame(rows, schema=_COMPARISON, orient="row")


def smoothness_comparison(graph: GraphData, names: Sequence[str], seed: int = 0) -> pl.DataFrame:
    """Mean frequencies ⟨x, Lx⟩ / ⟨x, x⟩ of labels and features, among training and validation nodes, and of noise.

    The mean of a signal is removed first, in the inner product of the random-walk Laplacian. 0 is as smooth as the
    graph allows; a signal independent of the edges has about 1.

    Args:
        names: names of the features. The part before ``=`` is the group of a feature; others are ``measures``.

    Returns:
        study (smoothness), method (``label: …``, ``features: …`` or random signals), metric (mean frequency), value.
        Groups that are constant on these nodes have no row.
    """
    from ml.spectral import laplacian, rayleigh_quotients

    nodes = np.concatenate([graph.nodes("train"), graph.nodes("validation")])
    nodes = nodes[_has_edges(graph.adjacency[nodes][:, nodes])]
    walk = laplacian(sparse.csr_array(graph.adjacency[nodes][:, nodes]), "random_walk")
    groups = [name.split("=")[0] if "=" in name else "measures" for name in names]
    signals: dict[str, np.ndarray] = {
        f"label: {label}": (graph.labels[nodes] == index)[:, None].astype(np.float64)
        for index, label in enumerate(graph.classes)
    }
    for group in sorted(set(groups)):
        signals[f"features: {group}"] = graph.features[nodes][:, [name == group for name in groups]].astype(np.float64)
    signals["random signals"] = np.random.default_rng(seed).normal(size=(len(nodes), RANDOM_SIGNALS))
    rows = []
    for method, columns in signals.items():
        varying = columns[:, np.ptp(columns, axis=0) > 0]
        if varying.size:
            centred = varying - walk.weights @ varying / walk.weights.sum()
            rows.append(("smoothness", method, "mean frequency", float(rayleigh_quotients(walk, centred).mean())))
    return pl.DataFrame(rows, schema=_COMPARISON, orient="row")


def low_pass_kernels() -> dict[str, Kernel]:
    """The filters of ``low_pass_study``, from one that reaches the nearest nodes only to one that reaches many."""
    from ml.spectral import heat, tikhonov

    return {"heat 1": heat(1.0), "heat 10": heat(10.0), "Tikhonov 10": tikhonov(10.0)}


def low_pass_study(graph: GraphData, kernels: Mapping[str, Kernel]) -> pl.DataFrame:
    """Logistic regression on features, on low-pass-filtered features, and on both.

    This shows how much of a GCN is a filter. Each filter runs on the whole graph, as a network does; the classifier is
    fitted on training nodes and scored on validation nodes.

    Returns:
        study (low-pass features), method (features, …, features and …), metric (accuracy, macro-F1), value.

    Raises:
        ValueError: no labelled node in the training or in the validation split.
    """
    from ml.metrics.classification import accuracy, macro_f1

    validation = graph.nodes("validation")
    rows = []
    for method, inputs in _inputs(graph, kernels):
        predicted = _predicted(graph, inputs)
        for metric, measure in (("accuracy", accuracy), ("macro-F1", macro_f1)):
            rows.append(("low-pass features", method, metric, measure(graph.labels[validation], predicted)))
    return pl.DataFrame(rows, schema=_COMPARISON, orient="row")


def responses_figure(kernels: Mapping[str, Kernel], lambda_max: float) -> Figure:
    """Response of each filter by frequency, and the error of its Chebyshev polynomial of order 30."""
    from matplotlib.figure import Figure

    from ml.spectral import chebyshev_coefficients, chebyshev_values

    frequencies = np.linspace(0, lambda_max, 500)
    figure = Figure(figsize=(9.0, 3.2), dpi=80, layout="constrained")
    response, error = figure.subplots(1, 2)
    for name, kernel in kernels.items():
        polynomial = chebyshev_values(chebyshev_coefficients(kernel, 30, lambda_max), lambda_max, frequencies)
        response.plot(frequencies, kernel(frequencies), label=name)
        error.semilogy(frequencies, np.maximum(np.abs(kernel(frequencies) - polynomial), 1e-17), label=name)
    response.set_title("response")
    error.set_title("error of order 30")
    for axes in (response, error):
        axes.set_xlabel("frequency")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def _has_edges(adjacency: sparse.csr_array) -> np.ndarray:
    return np.asarray(adjacency.sum(axis=1)) > 0


def _inputs(graph: GraphData, kernels: Mapping[str, Kernel]) -> Iterator[tuple[str, np.ndarray]]:
    from ml.spectral import filter_signal, laplacian

    walk = laplacian(graph.adjacency, "random_walk")
    yield "features", graph.features
    for name, kernel in kernels.items():
        filtered = filter_signal(walk, kernel, graph.features)
        yield name, filtered
        yield f"features and {name}", np.hstack([graph.features, filtered])


def _predicted(graph: GraphData, inputs: np.ndarray) -> np.ndarray:
    """Classes of the validation nodes by logistic regression on standardised ``inputs[N, F]`` of the training nodes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train, validation = graph.nodes("train"), graph.nodes("validation")
    if not len(train) or not len(validation):
        raise ValueError(f"{len(train)} training and {len(validation)} validation nodes with labels: need some of each")
    # scikit-learn copies float32 input to float64 in every iteration.
    inputs = inputs.astype(np.float64)
    scaler = StandardScaler().fit(inputs[train])
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=500)
    model.fit(scaler.transform(inputs[train]), graph.labels[train])
    return model.predict(scaler.transform(inputs[validation]))

"""Tables and figures of a spectrum, on a graph whose communities are its labels."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from assets.graph.spectrum import density_figure, graph_spectrum, modes_figure, spectrum_rows
from assets.graph.studies.spectral import (
    cluster_comparison,
    low_pass_kernels,
    low_pass_study,
    responses_figure,
    smoothness_comparison,
)
from ml.cluster_gcn.data import UNLABELLED, GraphData
from ml.cluster_gcn.partition import partition
from ml.spectral import normalized_cut
from tests.ml.spectral.graphs import communities, complete

NAMES = ["size=1", "size=2", "log price", "nothing=1"]


@pytest.fixture(scope="module")
def graph() -> GraphData:
    """300 nodes in 3 communities and a triangle apart; the price says a little of the community, the size nothing."""
    large, part = communities(300, 3, 0, inside=10, between=2)
    adjacency = sparse.csr_array(sparse.block_diag([large, complete(3)])).astype(np.float32)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(303, 4)).astype(np.float32)
    features[:300, 2] += 0.7 * part
    features[:, 3] = 0
    labels = np.concatenate([part, [UNLABELLED] * 3])
    splits = np.array(["train", "train", "validation", "test"])[generator.permutation(303) % 4]
    return GraphData(adjacency, features, labels, splits, partition(adjacency, 3, 0), ("a", "b", "c"))


def values(rows: pl.DataFrame, metric: str) -> dict[str, float]:
    return dict(rows.filter(pl.col("metric") == metric).select("method", "value").iter_rows())


def test_spectrum_as_rows(graph: GraphData) -> None:
    spectrum = graph_spectrum(graph.adjacency, modes=5)
    assert len(spectrum.nodes) == 300 - (spectrum.components - 2)
    rows = spectrum_rows(spectrum)
    assert dict(rows.schema) == {
        "quantity": pl.String,
        "position": pl.Int64,
        "frequency": pl.Float64,
        "density": pl.Float64,
        "error": pl.Float64,
    }
    modes, density = (rows.filter(pl.col("quantity") == quantity) for quantity in ("mode", "density"))
    assert modes["position"].to_list() == [0, 1, 2, 3, 4] and modes["density"].null_count() == 5
    frequencies = modes["frequency"].to_numpy()
    assert frequencies[0] == pytest.approx(0, abs=1e-12)
    assert frequencies[3] - frequencies[2] > frequencies[2] - frequencies[1]
    assert modes["error"].max() < 1e-6
    widths = np.diff(density["frequency"].to_numpy()).mean()
    assert density["density"].sum() * widths == pytest.approx(1, abs=0.02)


def test_metis_spectral_and_random_clusters_are_compared(graph: GraphData) -> None:
    rows = cluster_comparison(graph.adjacency, graph.clusters)
    cuts = values(rows, "normalised cut")
    assert cuts["METIS"] == pytest.approx(normalized_cut(graph.adjacency, graph.clusters))
    assert max(cuts["METIS"], cuts["spectral"]) < 0.6 * cuts["random"]
    assert values(rows, "edge weight cut")["random"] == pytest.approx(2 / 3, abs=0.1)
    assert values(rows, "largest cluster")["random"] == pytest.approx(1 / 3, abs=0.01)


def test_labels_are_smooth_and_noise_is_not(graph: GraphData) -> None:
    found = values(smoothness_comparison(graph, NAMES), "mean frequency")
    assert list(found) == ["label: a", "label: b", "label: c", "features: measures", "features: size", "random signals"]
    assert max(found[f"label: {name}"] for name in "abc") < 0.5 < found["features: measures"] < 0.95
    assert found["random signals"] == pytest.approx(1, abs=0.05)
    assert found["features: size"] == pytest.approx(1, abs=0.2)


def test_smoothness_never_sees_test_labels(graph: GraphData) -> None:
    hidden = np.where(graph.splits == "test", UNLABELLED, graph.labels)
    without = GraphData(graph.adjacency, graph.features, hidden, graph.splits, graph.clusters, graph.classes)
    assert smoothness_comparison(without, NAMES).equals(smoothness_comparison(graph, NAMES))
    kernels = {"heat 1": low_pass_kernels()["heat 1"]}
    assert low_pass_study(without, kernels).equals(low_pass_study(graph, kernels))


def test_filtered_features_know_the_community(graph: GraphData) -> None:
    rows = low_pass_study(graph, low_pass_kernels())
    found = values(rows, "accuracy")
    assert list(found) == ["features"] + [
        f"{before}{name}" for name in ("heat 1", "heat 10", "Tikhonov 10") for before in ("", "features and ")
    ]
    assert found["heat 10"] > found["features"] + 0.15
    assert set(rows["metric"]) == {"accuracy", "macro-F1"}


def test_a_split_without_labels_is_named(graph: GraphData) -> None:
    blind = GraphData(
        graph.adjacency, graph.features, graph.labels, np.full(303, "test"), graph.clusters, graph.classes
    )
    with pytest.raises(ValueError, match="0 training and 0 validation nodes"):
        low_pass_study(blind, {})


def test_figures_are_drawn(graph: GraphData) -> None:
    spectrum = graph_spectrum(graph.adjacency, modes=5)
    for figure, panels in (
        (modes_figure(spectrum, shown=3), 3),
        (responses_figure(low_pass_kernels(), 2.0), 2),
        (density_figure(spectrum), 1),
    ):
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        assert len(figure.axes) == panels and picture.getvalue().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="2 modes: a plane needs at least 3"):
        modes_figure(graph_spectrum(graph.adjacency, modes=2))

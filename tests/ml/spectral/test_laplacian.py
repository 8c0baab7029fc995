"""Laplacians against their formulas, entry by entry, and the rules for graphs that are not textbook ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ml.spectral import LaplacianNormalization, laplacian, rayleigh_quotients, smoothness
from tests.ml.spectral.graphs import complete, graphs, path, random_graph, star

NORMALIZATIONS: list[LaplacianNormalization] = ["combinatorial", "symmetric", "random_walk"]
normalizations = st.sampled_from(NORMALIZATIONS)


def dense_laplacian(A: np.ndarray, normalization: str) -> np.ndarray:
    degrees = A.sum(axis=1)
    L = np.zeros_like(A)
    for i in range(len(A)):
        for j in range(len(A)):
            scale = {
                "combinatorial": 1.0,
                "symmetric": np.sqrt(degrees[i] * degrees[j]),
                "random_walk": degrees[i],
            }[normalization]
            if scale:
                L[i, j] = ((degrees[i] if i == j else 0.0) - A[i, j]) / scale
    return L


@settings(max_examples=60, deadline=None)
@given(graphs, normalizations, st.booleans())
def test_matrices_are_the_formulas(
    adjacency: sparse.csr_array, normalization: LaplacianNormalization, loops: bool
) -> None:
    if loops:
        adjacency = sparse.csr_array(adjacency + sparse.diags_array(np.arange(adjacency.shape[0]) % 3.0))
    made = laplacian(adjacency, normalization).matrix.toarray()
    np.testing.assert_allclose(made, dense_laplacian(adjacency.toarray(), normalization), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(graphs, normalizations)
def test_no_eigenvalue_is_outside_its_bounds_and_0_counts_the_components(
    adjacency: sparse.csr_array, normalization: LaplacianNormalization
) -> None:
    made = laplacian(adjacency, normalization)
    spectrum = np.linalg.eigvalsh(made.symmetric.toarray())
    assert spectrum.min() >= -1e-12 and spectrum.max() <= made.lambda_max * (1 + 1e-12)
    assert np.sum(spectrum < 1e-9) == sparse.csgraph.connected_components(adjacency, directed=False)[0]


def test_the_bound_is_close_for_graphs_with_a_hub() -> None:
    for adjacency, largest in ((star(50), 50.0), (path(2), 2.0)):
        assert laplacian(adjacency, "combinatorial").lambda_max == pytest.approx(largest, rel=1e-3)
    assert laplacian(sparse.csr_array((3, 3)), "combinatorial").lambda_max == 1.0


def test_a_loop_cancels_in_the_combinatorial_laplacian_and_slows_the_walk_of_the_others() -> None:
    looped = sparse.csr_array(path(2) + sparse.eye_array(2))
    assert (laplacian(looped, "combinatorial").matrix != laplacian(path(2), "combinatorial").matrix).nnz == 0
    np.testing.assert_allclose(laplacian(looped, "random_walk").matrix.toarray(), [[0.5, -0.5], [-0.5, 0.5]])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_an_isolated_node_has_frequency_0(normalization: LaplacianNormalization) -> None:
    adjacency = sparse.csr_array(np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 5]]))
    made = laplacian(adjacency, normalization)
    assert not made.matrix.toarray()[2:].any() and made.weights.min() > 0
    assert smoothness(made, np.array([0.0, 0, 7, 8])) == 0


def test_invalid_graphs_are_errors() -> None:
    refused = {
        r"not symmetric.*\(A \+ A.T\) / 2": [[0.0, 1], [0, 0]],
        "negative weights": [[0.0, -1], [-1, 0]],
        "not finite": [[0.0, np.nan], [np.nan, 0]],
        r"shape \(1, 2\): must be square": [[0.0, 1]],
    }
    for message, adjacency in refused.items():
        with pytest.raises(ValueError, match=message):
            laplacian(sparse.csr_array(np.array(adjacency)))
    with pytest.raises(ValueError, match="'normalised': must be one of combinatorial, symmetric, random_walk"):
        laplacian(path(3), "normalised")  # type: ignore[arg-type]


def test_parallel_entries_add_up_and_the_adjacency_is_not_changed() -> None:
    doubled = sparse.csr_array((np.ones(4), np.array([1, 1, 0, 0]), np.array([0, 2, 4])), shape=(2, 2))
    assert laplacian(doubled, "combinatorial").matrix.toarray().tolist() == [[2, -2], [-2, 2]]
    assert doubled.nnz == 4


@settings(max_examples=40, deadline=None)
@given(graphs, normalizations)
def test_smoothness_is_a_sum_over_edges(adjacency: sparse.csr_array, normalization: LaplacianNormalization) -> None:
    signals = np.random.default_rng(0).normal(size=(adjacency.shape[0], 2))
    degrees = adjacency.sum(axis=1)
    scale = np.sqrt(np.where(degrees > 0, degrees, 1)) if normalization == "symmetric" else np.ones(len(degrees))
    expected = [
        sum(w * (x[i] / scale[i] - x[j] / scale[j]) ** 2 for (i, j), w in sparse.dok_array(adjacency).items()) / 2
        for x in signals.T
    ]
    made = laplacian(adjacency, normalization)
    np.testing.assert_allclose(smoothness(made, signals), expected, atol=1e-10)
    assert smoothness(made, signals[:, 0]) == pytest.approx(expected[0], abs=1e-10)


def test_mean_frequencies() -> None:
    made = laplacian(complete(5), "random_walk")
    constant, centred = np.ones(5), np.array([1.0, -1, 0, 0, 0])
    np.testing.assert_allclose(rayleigh_quotients(made, np.stack([constant, centred], axis=1)), [0, 5 / 4], atol=1e-12)
    assert np.isnan(rayleigh_quotients(made, np.zeros(5)))


def test_signals_are_checked() -> None:
    made = laplacian(random_graph(4, 0))
    with pytest.raises(ValueError, match=r"shape \(3,\): must be \[N\] or \[N, S\] on the graph's 4 nodes"):
        smoothness(made, np.zeros(3))
    with pytest.raises(ValueError, match="not finite on 2 nodes, first node 1"):
        smoothness(made, np.array([0, np.nan, np.inf, 0]))

"""Modes against spectra that are known in closed form, and transforms that lose nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ml.spectral import ConvergenceError, LaplacianNormalization, fourier_basis, gft, inverse_gft, laplacian, modes
from tests.ml.spectral.graphs import communities, complete, cycle, graphs, path, star

normalizations = st.sampled_from(["combinatorial", "symmetric", "random_walk"])


@settings(max_examples=60, deadline=None)
@given(graphs, normalizations)
def test_the_inverse_restores_the_signal(adjacency: sparse.csr_array, normalization: LaplacianNormalization) -> None:
    made = laplacian(adjacency, normalization)
    basis = fourier_basis(made)
    signals = np.random.default_rng(0).normal(size=(made.nodes, 3))
    np.testing.assert_allclose(inverse_gft(basis, gft(basis, signals)), signals, atol=1e-10)
    np.testing.assert_allclose(inverse_gft(basis, gft(basis, signals[:, 0])), signals[:, 0], atol=1e-10)
    np.testing.assert_allclose(made.matrix @ basis.modes, basis.modes * basis.frequencies, atol=1e-10)
    energy = made.weights @ signals**2
    np.testing.assert_allclose(np.sum(gft(basis, signals) ** 2, axis=0), energy, rtol=1e-10)
    assert (np.diff(basis.frequencies) >= 0).all() and basis.residuals.max() < 1e-10


N = 12
k = np.arange(N)
ANALYTIC = [
    ("path", path(N), "combinatorial", 2 - 2 * np.cos(np.pi * k / N)),
    ("path", path(N), "symmetric", 1 - np.cos(np.pi * k / (N - 1))),
    ("cycle", cycle(N), "combinatorial", 2 - 2 * np.cos(2 * np.pi * k / N)),
    ("complete", complete(N), "combinatorial", np.where(k == 0, 0, N)),
    ("complete", complete(N), "random_walk", np.where(k == 0, 0, N / (N - 1))),
    ("star", star(N), "combinatorial", np.where(k == 0, 0, np.where(k == N - 1, N, 1))),
    ("star", star(N), "symmetric", np.where(k == 0, 0, np.where(k == N - 1, 2, 1))),
]


@pytest.mark.parametrize(("name", "adjacency", "normalization", "spectrum"), ANALYTIC)
def test_spectra_known_in_closed_form(
    name: str, adjacency: sparse.csr_array, normalization: LaplacianNormalization, spectrum: np.ndarray
) -> None:
    basis = fourier_basis(laplacian(adjacency, normalization))
    np.testing.assert_allclose(basis.frequencies, np.sort(spectrum), atol=1e-10)


BIG = 2_400
m = np.arange(9)
BIG_SPECTRA = [
    (cycle(BIG), "combinatorial", 2 - 2 * np.cos(2 * np.pi * ((m + 1) // 2) / BIG)),
    (cycle(BIG), "symmetric", 1 - np.cos(2 * np.pi * ((m + 1) // 2) / BIG)),
    (star(BIG), "combinatorial", np.where(m == 0, 0, 1)),
    (star(BIG), "random_walk", np.where(m == 0, 0, 1)),
    (sparse.csr_array(sparse.block_diag([cycle(BIG // 2), cycle(BIG // 2)])), "symmetric",
     np.sort(np.tile(1 - np.cos(4 * np.pi * ((m + 1) // 2) / BIG), 2))[:9]),
]  # fmt: skip


@pytest.mark.parametrize(("adjacency", "normalization", "spectrum"), BIG_SPECTRA)
def test_first_modes_of_graphs_too_large_for_all(
    adjacency: sparse.csr_array, normalization: LaplacianNormalization, spectrum: np.ndarray
) -> None:
    made = laplacian(adjacency, normalization)
    basis = fourier_basis(made, k=9)
    np.testing.assert_allclose(basis.frequencies, spectrum, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(gft(basis, basis.modes), np.eye(9), atol=1e-9)
    at_most = max(1e-6 * basis.frequencies[-1], 1e-11)
    assert np.linalg.norm(made.matrix @ basis.modes - basis.modes * basis.frequencies, axis=0).max() <= at_most


def with_hubs(nodes: int) -> sparse.csr_array:
    """A ring of weak edges, and hubs whose degrees are far above the mean."""
    generator = np.random.default_rng(0)
    hubs, ends = np.repeat(np.arange(3), nodes // 2), generator.integers(3, nodes, size=3 * (nodes // 2))
    spokes = sparse.csr_array((generator.random(len(hubs)) * 5, (hubs, ends)), shape=(nodes, nodes))
    return sparse.csr_array(cycle(nodes) * 0.1 + spokes + spokes.T)


def test_hubs_do_not_prevent_convergence_of_the_first_modes() -> None:
    made = laplacian(with_hubs(1_800), "combinatorial")
    assert made.lambda_max > modes.STRETCHED * made.degrees.mean()
    basis = fourier_basis(made, k=8)
    np.testing.assert_allclose(basis.frequencies, np.linalg.eigvalsh(made.symmetric.toarray())[:8], atol=1e-8)


def test_modes_of_all_components_are_merged() -> None:
    large, _ = communities(1_600, 4, 0, inside=8, between=1)
    adjacency = sparse.csr_array(sparse.block_diag([path(3), large, sparse.csr_array((2, 2)), complete(4)]))
    made = laplacian(adjacency)
    zeros = sparse.csgraph.connected_components(adjacency)[0]
    basis = fourier_basis(made, k=zeros + 6)
    np.testing.assert_allclose(basis.frequencies, np.linalg.eigvalsh(made.symmetric.toarray())[: zeros + 6], atol=1e-7)
    np.testing.assert_allclose(gft(basis, basis.modes), np.eye(zeros + 6), atol=1e-9)


def test_the_same_seed_gives_the_same_modes() -> None:
    made = laplacian(communities(1_600, 4, 0, inside=8, between=1)[0])
    first, second = fourier_basis(made, k=6), fourier_basis(made, k=6)
    np.testing.assert_array_equal(first.modes, second.modes)


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial"])
def test_a_solver_that_does_not_converge_is_an_error(
    normalization: LaplacianNormalization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modes, "MAX_PRODUCTS", 10)
    monkeypatch.setattr(modes, "LOBPCG_ROUNDS", 1)
    with pytest.raises(ConvergenceError, match=r"reached a residual of .*, not .*: raise the tolerance"):
        fourier_basis(laplacian(with_hubs(1_600), normalization), k=5, tolerance=1e-12)


def test_impossible_requests_are_named() -> None:
    with pytest.raises(ValueError, match=r"full basis of 20000 nodes takes 3.2 GB: request the first k modes"):
        fourier_basis(laplacian(path(20_000)))
    with pytest.raises(ValueError, match="6 modes of 5 nodes: must be between 1 and 5"):
        fourier_basis(laplacian(path(5)), k=6)
    with pytest.raises(ValueError, match="5000 modes of a component of 20000 nodes: request less than a fifth"):
        fourier_basis(laplacian(path(20_000)), k=5_001)
    basis = fourier_basis(laplacian(path(5)), k=2)
    with pytest.raises(ValueError, match=r"shape \(4,\): the basis has 5 nodes"):
        gft(basis, np.zeros(4))
    with pytest.raises(ValueError, match=r"shape \(5,\): the basis has 2 modes"):
        inverse_gft(basis, np.zeros(5))

"""The estimated density of a spectrum compared with the eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from ml.spectral import LaplacianNormalization, laplacian, spectral_density
from tests.ml.spectral.graphs import cycle, random_graph


@pytest.mark.parametrize("normalization", ["symmetric", "random_walk", "combinatorial"])
def test_density_integrates_to_1_and_is_never_negative(normalization: LaplacianNormalization) -> None:
    density = spectral_density(laplacian(random_graph(200, 0), normalization), order=50, probes=4)
    angles = np.linspace(0.01, np.pi - 0.01, 400)
    assert density.at(density.lambda_max / 2 * (np.cos(angles) + 1))[0].min() > 0
    half = density.lambda_max / 2
    mass, _ = quad(
        lambda angle: density.at(np.array([half * (np.cos(angle) + 1)]))[0][0] * half * np.sin(angle), 0, np.pi
    )
    assert mass == pytest.approx(1, abs=1e-6)
    assert density.below(np.array([0.0, density.lambda_max]))[0] == pytest.approx([0, 1], abs=1e-12)


def test_share_below_is_the_integral_of_the_density() -> None:
    density = spectral_density(laplacian(random_graph(200, 0)), order=50, probes=4)
    mass, _ = quad(lambda frequency: density.at(np.array([frequency]))[0][0], 0.4, 1.1)
    assert mass == pytest.approx(np.diff(density.below(np.array([0.4, 1.1]))[0])[0], abs=1e-8)


def test_moments_are_those_of_the_spectrum_within_their_errors() -> None:
    made = laplacian(random_graph(400, 1, density=0.05))
    spectrum = np.linalg.eigvalsh(made.symmetric.toarray())
    density = spectral_density(made, order=60, probes=30, seed=1)
    exact = np.cos(np.outer(np.arange(61), np.arccos(np.clip(spectrum - 1, -1, 1)))).mean(axis=1)
    errors = density.moments.std(axis=0, ddof=1) / np.sqrt(30)
    assert (np.abs(density.moments.mean(axis=0) - exact) <= 4.5 * errors + 1e-5).all()
    assert density.moments[:, 0].tolist() == [1] * 30


def test_density_agrees_with_the_histogram() -> None:
    """Of a cycle, whose eigenvalues are known: 1 − cos(2πk/N)."""
    nodes = 20_000
    density = spectral_density(laplacian(cycle(nodes)), order=300, probes=10)
    edges = np.linspace(0, 2, 21)
    exact = np.searchsorted(np.sort(1 - np.cos(2 * np.pi * np.arange(nodes) / nodes)), edges[1:-1]) / nodes
    shares, errors = density.below(edges[1:-1])
    np.testing.assert_allclose(shares, exact, atol=0.005)
    assert 0 < errors.max() < 0.005


def test_the_density_depends_on_the_seed_and_more_probes_reduce_the_error() -> None:
    made = laplacian(random_graph(300, 2))
    first, again = (spectral_density(made, order=20, probes=5, seed=3).moments for _ in range(2))
    np.testing.assert_array_equal(first, again)
    at = np.array([0.9, 1.0, 1.1])
    few, many = (spectral_density(made, order=20, probes=probes).at(at)[1] for probes in (4, 100))
    assert (many < few).all()


def test_errors_need_two_probes() -> None:
    with pytest.raises(ValueError, match="order 10, 1 probes: must be at least 1 and 2"):
        spectral_density(laplacian(cycle(5)), order=10, probes=1)

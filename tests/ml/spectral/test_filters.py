"""Filter banks: their bounds, and the same responses and filtered signals as PyGSP's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ml.spectral import (
    Kernel,
    analyze,
    filter_exactly,
    fourier_basis,
    frame_bounds,
    half_cosine,
    heat,
    itersine,
    laplacian,
    mexican_hat,
    meyer,
    smoothness,
    tikhonov,
)
from tests.ml.spectral.graphs import random_graph

Bank = Callable[[float, int], list[Kernel]]


@pytest.mark.parametrize(("bank", "bound"), [(meyer, 1.0), (itersine, 1.0), (half_cosine, 9 / 8)])
@pytest.mark.parametrize("filters", [3, 6, 9])
@pytest.mark.parametrize("lambda_max", [2.0, 731.0])
def test_bounds_of_the_tight_frames(bank: Bank, bound: float, filters: int, lambda_max: float) -> None:
    grid = np.linspace(0, lambda_max, 1000)
    assert frame_bounds(bank(lambda_max, filters), grid) == pytest.approx((bound, bound), abs=1e-12)


def test_wavelets_that_are_not_tight_still_cover_every_frequency() -> None:
    lower, upper = frame_bounds(mexican_hat(2.0), np.linspace(0, 2, 1000))
    assert 0 < lower < upper
    assert [kernel(np.array(0.0)) for kernel in mexican_hat(2.0)[1:]] == [0] * 5


def test_frames_bound_the_energy_of_any_signal() -> None:
    made = laplacian(random_graph(40, 2))
    kernels = mexican_hat(made.lambda_max)
    lower, upper = frame_bounds(kernels, fourier_basis(made).frequencies)
    signals = np.random.default_rng(0).normal(size=(40, 20))
    energy = sum(np.sum(filter_exactly(made, kernel, signals) ** 2, axis=0) for kernel in kernels)
    shares = energy / np.sum(signals**2, axis=0)
    assert lower <= shares.min() and shares.max() <= upper


def test_tikhonov_solves_its_minimisation() -> None:
    made, signal = laplacian(random_graph(20, 1), "combinatorial"), np.random.default_rng(0).normal(size=20)
    best = filter_exactly(made, tikhonov(3.0), signal)

    def objective(y: np.ndarray) -> float:
        return float(np.sum((y - signal) ** 2) + 3.0 * smoothness(made, y))

    moves = np.random.default_rng(1).normal(size=(50, 20)) * 1e-2
    assert all(objective(best) < objective(best + move) for move in moves)


def test_banks_need_enough_filters() -> None:
    with pytest.raises(ValueError, match="a bank of 2 filters: must be at least 3"):
        half_cosine(2.0, 2)


@pytest.fixture(scope="module")
def pygsp() -> Any:
    return pytest.importorskip("pygsp")


@pytest.mark.parametrize(
    ("name", "bank"),
    [("Meyer", meyer), ("Itersine", itersine), ("HalfCosine", half_cosine), ("MexicanHat", mexican_hat)],
)
@pytest.mark.parametrize("kind", ["combinatorial", "normalized"])
def test_filters_equal_pygsp(pygsp: Any, name: str, bank: Bank, kind: str) -> None:
    adjacency = random_graph(60, 4, density=0.1)
    graph = pygsp.graphs.Graph(adjacency.toarray(), lap_type=kind)
    graph.compute_fourier_basis()
    made = laplacian(adjacency, "combinatorial" if kind == "combinatorial" else "symmetric")
    np.testing.assert_allclose(made.symmetric.toarray(), graph.L.toarray(), atol=1e-12)
    theirs, ours = getattr(pygsp.filters, name)(graph, Nf=5), bank(graph.lmax, 5)
    grid = np.linspace(0, graph.lmax, 300)
    # Its Meyer kernels take the cosine of a rounded sine.
    np.testing.assert_allclose([kernel(grid) for kernel in ours], theirs.evaluate(grid), atol=1e-8)
    signals = np.random.default_rng(0).normal(size=(60, 3))
    exact = np.stack([filter_exactly(made, kernel, signals) for kernel in ours])
    np.testing.assert_allclose(exact, np.moveaxis(theirs.filter(signals, method="exact"), 2, 0), atol=1e-7)


def test_heat_diffusion_equals_pygsp(pygsp: Any) -> None:
    adjacency = random_graph(200, 4, density=0.05)
    graph = pygsp.graphs.Graph(adjacency.toarray(), lap_type="normalized")
    graph.estimate_lmax()
    signals = np.random.default_rng(0).normal(size=(200, 3))
    theirs = pygsp.filters.Heat(graph, scale=[2.0 * graph.lmax, 5.0 * graph.lmax]).filter(signals, order=30)
    ours = analyze(laplacian(adjacency), [heat(2.0), heat(5.0)], signals, order=30, dtype=torch.float64)
    np.testing.assert_allclose(ours, np.moveaxis(theirs, 2, 0), atol=1e-9)

"""Filtering by polynomials compared with filtering by all modes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ml.spectral import (
    LaplacianNormalization,
    analyze,
    chebyshev_coefficients,
    chebyshev_error,
    chebyshev_values,
    filter_exactly,
    filter_signal,
    fourier_basis,
    heat,
    itersine,
    laplacian,
    meyer,
    spectrogram,
    synthesize,
    tikhonov,
)
from ml.spectral.filters import Kernel
from tests.ml.spectral.graphs import graphs, path, random_graph

normalizations = st.sampled_from(["combinatorial", "symmetric", "random_walk"])


def step(frequencies: np.ndarray) -> np.ndarray:
    """The ideal low-pass up to 0.7."""
    return np.where(np.asarray(frequencies) < 0.7, 1.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(
    graphs,
    normalizations,
    st.sampled_from([heat(1.0), heat(20.0), tikhonov(5.0), np.sqrt, np.cos]),
    st.integers(0, 40),
    st.booleans(),
)
def test_agrees_with_the_exact_filter_to_the_error_of_the_polynomial(
    adjacency: sparse.csr_array, normalization: LaplacianNormalization, kernel: Kernel, order: int, jackson: bool
) -> None:
    made = laplacian(adjacency, normalization)
    signals = np.random.default_rng(0).normal(size=(made.nodes, 3))
    filtered = filter_signal(made, kernel, signals, order, jackson, dtype=torch.float64)
    difference = filtered - filter_exactly(made, kernel, signals)
    distance, norm = (np.sqrt(made.weights @ part**2) for part in (difference, signals))
    assert (distance <= chebyshev_error(kernel, order, made.lambda_max, jackson) * norm * 1.001 + 1e-6 * norm).all()


def test_polynomials_of_the_order_are_exact() -> None:
    made = laplacian(random_graph(20, 3), "random_walk")
    signal = np.random.default_rng(0).normal(size=20)
    L = made.matrix.toarray()
    expected = signal - 3 * L @ signal + 0.5 * L @ L @ L @ signal
    filtered = filter_signal(made, lambda x: 1 - 3 * x + 0.5 * x**3, signal, order=3, dtype=torch.float64)
    np.testing.assert_allclose(filtered, expected, atol=1e-12)
    assert filtered.shape == (20,)


def test_float32_is_the_default_and_close() -> None:
    made = laplacian(random_graph(300, 1, density=0.1))
    signals = np.random.default_rng(0).normal(size=(300, 4))
    quick, exact = filter_signal(made, heat(5), signals), filter_exactly(made, heat(5), signals)
    assert quick.dtype == np.float32
    np.testing.assert_allclose(quick, exact, atol=1e-5 * np.abs(signals).max())


def test_damping_keeps_a_step_from_ringing() -> None:
    frequencies = np.linspace(0, 2, 500)
    plain, damped = (
        chebyshev_values(chebyshev_coefficients(step, 40, 2.0, jackson), 2.0, frequencies) for jackson in (False, True)
    )
    assert plain.max() > 1.05 and plain.min() < -0.05
    assert damped.max() < 1 + 1e-3 and damped.min() > -1e-3


@pytest.mark.parametrize("normalization", ["combinatorial", "symmetric", "random_walk"])
@pytest.mark.parametrize(("bank", "bound"), [(itersine, 1.0), (meyer, 1.0)])
def test_a_tight_frame_restores_the_signal_and_its_energy(
    bank: type, bound: float, normalization: LaplacianNormalization
) -> None:
    made = laplacian(random_graph(30, 5, density=0.1), normalization)
    kernels = bank(made.lambda_max, 4)
    signal = np.random.default_rng(0).normal(size=30)
    responses = analyze(made, kernels, signal, order=150, dtype=torch.float64)
    assert responses.shape == (4, 30)
    back = synthesize(made, kernels, responses, order=150, dtype=torch.float64)
    np.testing.assert_allclose(back / bound, signal, atol=1e-3)
    energy = spectrogram(made, kernels, signal, order=150, dtype=torch.float64)
    assert energy.shape == (30, 4)
    assert energy.sum() == pytest.approx(bound * made.weights @ signal**2, rel=1e-3)


def test_a_spectrogram_shows_where_and_at_which_frequency() -> None:
    """Slow waves on the left half of a path, fast ones on the right."""
    made = laplacian(path(200), "combinatorial")
    modes = fourier_basis(made).modes
    signal = np.concatenate([modes[:100, 10], modes[100:, 150]])
    energy = spectrogram(made, itersine(made.lambda_max, 5), signal, order=60)
    assert energy[:90].sum(axis=0).argmax() < energy[110:].sum(axis=0).argmax()


def test_bad_input_is_named() -> None:
    made = laplacian(path(4))
    with pytest.raises(ValueError, match="not finite on 1 nodes, first node 2"):
        filter_signal(made, heat(1), np.array([0, 0, np.nan, 0]))
    with pytest.raises(ValueError, match="order -1: must not be negative"):
        filter_signal(made, heat(1), np.zeros(4), order=-1)
    with pytest.raises(ValueError, match="the kernel is not finite everywhere between 0 and 2"):
        filter_signal(made, lambda x: np.where(x > 1, np.inf, x), np.zeros(4))
    with pytest.raises(ValueError, match="1 responses and 2 filters"):
        synthesize(made, [heat(1), heat(2)], np.zeros((1, 4)))

"""Kernels g(λ) of graph filters, single and in banks. See ``ml.spectral.chebyshev`` for filtering.

A kernel maps frequencies of any shape to responses of the same shape. Scales are in units of 1/λ, so that a kernel
has the same meaning on any interval; the banks divide [0, ``lambda_max``] among their filters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Kernel = Callable[[np.ndarray], np.ndarray]


def heat(scale: float) -> Kernel:
    """g(λ) = exp(−τλ): heat after the time τ = ``scale``."""
    return lambda frequencies: np.exp(-scale * frequencies)


def tikhonov(scale: float) -> Kernel:
    """g(λ) = 1 / (1 + τλ), the low-pass that minimises ‖y − x‖² + τ yᵀLy over y."""
    return lambda frequencies: 1 / (1 + scale * frequencies)


def mexican_hat(lambda_max: float, filters: int = 6, low_pass_factor: float = 20.0) -> list[Kernel]:
    """A low-pass and ``filters`` − 1 wavelets sλ·exp(−sλ), their scales s spread evenly in the logarithm.

    The scales run from 2/λ_min to 1/λ_max with λ_min = λ_max / ``low_pass_factor``; the low-pass is
    1.2/e · exp(−(λ / 0.4 λ_min)⁴). A frame, not a tight one (Hammond, Vandergheynst, Gribonval 2011).
    """
    _at_least(filters, 2)
    lowest = lambda_max / low_pass_factor

    def wavelet(scale: float) -> Kernel:
        return lambda frequencies: scale * frequencies * np.exp(-scale * frequencies)

    scales = np.geomspace(2 / lowest, 1 / lambda_max, filters - 1)
    return [lambda frequencies: 1.2 / np.e * np.exp(-((frequencies / (0.4 * lowest)) ** 4)), *map(wavelet, scales)]


def meyer(lambda_max: float, filters: int = 6) -> list[Kernel]:
    """A low-pass and ``filters`` − 1 Meyer wavelets, each band twice as wide as the one below; tight, A = B = 1.

    Leonardi and Van De Ville 2011.
    """
    _at_least(filters, 2)
    scales = 4 / (3 * lambda_max) * 2.0 ** np.arange(filters - 2, -1, -1)

    def angle(x: np.ndarray) -> np.ndarray:
        """From 0 at x ≤ 1 to π/2 at x ≥ 2."""
        t = np.clip(x - 1, 0, 1)
        return np.pi / 2 * t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)

    def wavelet(scale: float) -> Kernel:
        def kernel(frequencies: np.ndarray) -> np.ndarray:
            x = 1.5 * scale * np.asarray(frequencies, np.float64)
            return np.where(x < 2, np.sin(angle(x)), np.cos(angle(x / 2)))

        return kernel

    return [lambda frequencies: np.cos(angle(1.5 * scales[0] * np.asarray(frequencies))), *map(wavelet, scales)]


def half_cosine(lambda_max: float, filters: int = 6) -> list[Kernel]:
    """Equal bands ½ + ½ cos, three of which overlap at every frequency; tight, A = B = 9/8.

    Uniform translates of Shuman, Wiesmeyr, Holighaus and Vandergheynst 2015.
    """
    _at_least(filters, 3)
    width = 3 * lambda_max / (filters - 2)

    def band(index: int) -> Kernel:
        def kernel(frequencies: np.ndarray) -> np.ndarray:
            x = np.asarray(frequencies, np.float64) / width - (index - 2) / 3
            return np.where((x >= 0) & (x <= 1), 0.5 - 0.5 * np.cos(2 * np.pi * x), 0.0)

        return kernel

    return [band(index) for index in range(filters)]


def itersine(lambda_max: float, filters: int = 6) -> list[Kernel]:
    """Equal bands sin(½π cos²(πx)), neighbours overlapping by half; tight, A = B = 1."""
    _at_least(filters, 2)
    width = 2 * lambda_max / (filters - 1)

    def band(index: int) -> Kernel:
        def kernel(frequencies: np.ndarray) -> np.ndarray:
            x = np.asarray(frequencies, np.float64) / width - index / 2
            return np.where(np.abs(x) <= 0.5, np.sin(np.pi / 2 * np.cos(np.pi * x) ** 2), 0.0)

        return kernel

    return [band(index) for index in range(filters)]


def frame_bounds(kernels: Sequence[Kernel], frequencies: np.ndarray) -> tuple[float, float]:
    """A and B of A‖x‖² ≤ Σ_f ‖g_f(L)x‖² ≤ B‖x‖²: the least and the largest Σ_f g_f(λ)².

    Args:
        frequencies: the eigenvalues for the exact bounds, or a fine grid over [0, λ_max]; tight frames have A = B.
    """
    squares = sum(np.square(kernel(np.asarray(frequencies, np.float64))) for kernel in kernels)
    return float(np.min(squares)), float(np.max(squares))


def _at_least(filters: int, fewest: int) -> None:
    if filters < fewest:
        raise ValueError(f"a bank of {filters} filters: must be at least {fewest}")

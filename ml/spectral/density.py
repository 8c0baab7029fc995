"""Density of the frequencies of a large graph, by the kernel polynomial method. See ``ml.spectral.modes``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ml.spectral.chebyshev import Recurrence, jackson_damping
from ml.spectral.laplacian import Laplacian

PROBES_AT_ONCE = 32
"""Limits the memory to a few arrays of this number of signals."""


@dataclass(frozen=True)
class SpectralDensity:
    """The share of eigenvalues per unit of frequency, by R random probes z (Weiße et al. 2006, sections II.B to II.D).

    ``moments[R, order + 1]`` are zᵀT_k(2L/λ_max − 1)z / N, whose mean estimates tr T_k / N. A single eigenvalue appears
    as a bell of width π λ_max / (2 order) or less. The standard errors are those of the probes only.
    """

    moments: np.ndarray
    lambda_max: float

    def at(self, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Density ``[P]`` and its standard error at ``frequencies[P]``, which must be in (0, λ_max); never negative."""
        angles = self._angles(frequencies)
        series = 2 * np.cos(np.outer(self._degrees, angles))
        series[0] = 1
        return self._estimate(series * 2 / (np.pi * np.sin(angles) * self.lambda_max))

    def below(self, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of the eigenvalues up to each of ``frequencies[P]``, and its standard error: the density's integral."""
        angles = self._angles(frequencies)
        series = -2 * np.sin(np.outer(self._degrees, angles)) / np.maximum(self._degrees, 1)[:, None] / np.pi
        series[0] = 1 - angles / np.pi
        return self._estimate(series)

    @property
    def _degrees(self) -> np.ndarray:
        return np.arange(self.moments.shape[1])

    def _angles(self, frequencies: np.ndarray) -> np.ndarray:
        return np.arccos(np.clip(2 * np.asarray(frequencies, np.float64) / self.lambda_max - 1, -1, 1))

    def _estimate(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = self.moments * jackson_damping(self.moments.shape[1] - 1) @ series
        return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def spectral_density(
    laplacian: Laplacian,
    order: int = 200,
    probes: int = 20,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> SpectralDensity:
    """The density of the spectrum, from order/2 products of L with each of ``probes`` signals of random signs.

    Raises:
        ValueError: an order below 1, or fewer than two probes, from which no error can be estimated.
    """
    if order < 1 or probes < 2:
        raise ValueError(f"order {order}, {probes} probes: must be at least 1 and 2")
    generator = np.random.default_rng(seed)
    recurrence = Recurrence(laplacian.symmetric, dtype, device)
    parts = []
    for start in range(0, probes, PROBES_AT_ONCE):
        signs = generator.choice([-1.0, 1.0], size=(laplacian.nodes, min(PROBES_AT_ONCE, probes - start)))
        parts.append(
            _moments(recurrence, torch.as_tensor(signs, dtype=dtype, device=device), order, laplacian.lambda_max)
        )
    return SpectralDensity(np.concatenate(parts), laplacian.lambda_max)


def _moments(recurrence: Recurrence, probes: torch.Tensor, order: int, lambda_max: float) -> np.ndarray:
    """``moments[R, order + 1]``: T_2k = 2T_k² − 1 and T_2k−1 = 2T_k T_k−1 − T_1 give two moments per product."""
    nodes, columns = probes.shape
    moments = np.ones((columns, order + 2))
    previous = probes
    for degree, polynomial in enumerate(recurrence.polynomials(probes, (order + 1) // 2, 0, lambda_max)):
        if degree:
            odd, even = (torch.linalg.vecdot(polynomial, other, dim=0) / nodes for other in (previous, polynomial))
            moments[:, 2 * degree] = 2 * even.cpu().numpy() - 1
            moments[:, 2 * degree - 1] = odd.cpu().numpy() if degree == 1 else 2 * odd.cpu().numpy() - moments[:, 1]
        previous = polynomial
    return moments[:, : order + 1]

"""Filtering by Chebyshev polynomials of the Laplacian: order · |E| operations, no eigenvectors.

See ``ml.spectral.filters`` for the kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.polynomial import chebyshev
from scipy import sparse
from torch import Tensor

from ml.sparse import csr_tensor
from ml.spectral.filters import Kernel
from ml.spectral.laplacian import Laplacian, checked_signal

QUADRATURE = 8
"""Quadrature points per coefficient, so that higher orders hardly alias into the coefficients."""

GRID = 10_000
"""Number of frequencies at which the error of an approximation is evaluated."""


def jackson_damping(order: int) -> np.ndarray:
    """Factors ``[order + 1]`` that prevent ringing of a truncated series of a step (Weiße et al. 2006, equation 71)."""
    n, N = np.arange(order + 1), order + 1
    angle = np.pi / (N + 1)
    return ((N - n + 1) * np.cos(angle * n) + np.sin(angle * n) / np.tan(angle)) / (N + 1)


def chebyshev_coefficients(kernel: Kernel, order: int, lambda_max: float, jackson: bool = False) -> np.ndarray:
    """``c[order + 1]`` of g(λ) ≈ Σ_k c_k T_k(2λ/λ_max − 1).

    Args:
        jackson: damp the coefficients. Smooth kernels become less exact; kernels with a step lose their overshoot.

    Raises:
        ValueError: a negative order, or a kernel that is not finite on (0, λ_max).
    """
    if order < 0:
        raise ValueError(f"order {order}: must not be negative")
    points = QUADRATURE * (order + 1)
    angles = np.pi * (np.arange(points) + 0.5) / points
    values = np.asarray(kernel(lambda_max / 2 * (np.cos(angles) + 1)), np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"the kernel is not finite everywhere between 0 and {lambda_max:g}")
    coefficients = 2 / points * np.cos(np.outer(np.arange(order + 1), angles)) @ values
    coefficients[0] /= 2
    return coefficients * jackson_damping(order) if jackson else coefficients


def chebyshev_values(coefficients: np.ndarray, lambda_max: float, frequencies: np.ndarray) -> np.ndarray:
    """The polynomial p(λ) with these coefficients, at ``frequencies[P]``."""
    return chebyshev.chebval(2 * np.asarray(frequencies) / lambda_max - 1, coefficients)


def chebyshev_error(kernel: Kernel, order: int, lambda_max: float, jackson: bool = False) -> float:
    """max |g − p| over [0, λ_max], on a fine grid; the error of filtering is at most this times the signal's norm."""
    frequencies = np.linspace(0, lambda_max, GRID)
    coefficients = chebyshev_coefficients(kernel, order, lambda_max, jackson)
    return float(np.max(np.abs(kernel(frequencies) - chebyshev_values(coefficients, lambda_max, frequencies))))


def filter_signal(
    laplacian: Laplacian,
    kernel: Kernel,
    signal: np.ndarray,
    order: int = 30,
    jackson: bool = False,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """g(L)x by a polynomial of the given order, in the shape of the signal ``[N]`` or ``[N, S]``.

    Args:
        dtype: float32 takes half the time of float64, with an error of about 1e-6 of the signal.

    Raises:
        ValueError: a signal of another graph or with numbers that are not finite, or a kernel that is not finite.
    """
    return analyze(laplacian, [kernel], signal, order, jackson, dtype, device)[0]


def analyze(
    laplacian: Laplacian,
    kernels: Sequence[Kernel],
    signal: np.ndarray,
    order: int = 30,
    jackson: bool = False,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """``[F, N]`` or ``[F, N, S]``: the signal through each of F filters, at the cost of one recurrence.

    Arguments and errors as in ``filter_signal``.
    """
    array = checked_signal(laplacian, signal)
    bound = laplacian.lambda_max
    weights = np.stack([chebyshev_coefficients(kernel, order, bound, jackson) for kernel in kernels])
    root = _root(laplacian, dtype, device)
    start = torch.as_tensor(array.reshape(len(array), -1), dtype=dtype, device=device) * root
    filtered = torch.zeros((len(kernels), *start.shape), dtype=dtype, device=device)
    recurrence = Recurrence(laplacian.symmetric, dtype, device)
    for degree, polynomial in enumerate(recurrence.polynomials(start, order, 0, bound)):
        for response, weight in zip(filtered, weights[:, degree], strict=True):
            response.add_(polynomial, alpha=float(weight))
    return filtered.div_(root).reshape(len(kernels), *array.shape).cpu().numpy()


def synthesize(
    laplacian: Laplacian,
    kernels: Sequence[Kernel],
    responses: np.ndarray,
    order: int = 30,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Σ_f g_f(L) y_f of ``responses[F, N]`` or ``[F, N, S]``, the adjoint of ``analyze``.

    With a tight frame of bound A, ``synthesize(analyze(x)) / A`` is x, except for the error of the polynomials.
    """
    if len(responses) != len(kernels):
        raise ValueError(f"{len(responses)} responses and {len(kernels)} filters: must be equally many")
    parts = (
        filter_signal(laplacian, kernel, response, order, dtype=dtype, device=device)
        for kernel, response in zip(kernels, responses, strict=True)
    )
    return np.sum(np.stack(list(parts)), axis=0)


def spectrogram(
    laplacian: Laplacian,
    kernels: Sequence[Kernel],
    signal: np.ndarray,
    order: int = 30,
    dtype: torch.dtype = torch.float32,
) -> np.ndarray:
    """Energy of a signal ``[N]`` at each node and in each band, ``[N, F]``: (g_f(L)x)_i².

    With ``random_walk`` it is multiplied by d_i. With a tight frame of bound A it sums to A‖x‖² in the norm of the
    Laplacian.
    """
    return np.square(analyze(laplacian, kernels, signal, order, dtype=dtype)).T * laplacian.weights[:, None]


class Recurrence:
    """Chebyshev polynomials of a symmetric matrix ``L[N, N]``, applied to signals.

    The frequencies in [low, high] are mapped to [−1, 1]; below that interval the polynomials grow fast.
    """

    def __init__(self, matrix: sparse.csr_array, dtype: torch.dtype, device: torch.device | str = "cpu") -> None:
        self.matrix = csr_tensor(matrix, dtype, device)

    def polynomials(self, start: Tensor, order: int, low: float, high: float) -> Iterator[Tensor]:
        """T_0 x … T_order x for x = ``start[N, S]``. Each is overwritten two steps later."""
        scale, shift = 2 / (high - low), (high + low) / (high - low)
        previous = start.clone()
        yield previous
        if order < 1:
            return
        current = torch.addmm(start, self.matrix, start, beta=-shift, alpha=scale)
        yield current
        for _ in range(order - 1):
            # The shift is a pass over the signals: cheaper than a shifted copy of the matrix for every call.
            previous.addmm_(self.matrix, current, beta=-1, alpha=2 * scale).sub_(current, alpha=2 * shift)
            previous, current = current, previous
            yield current


def _root(laplacian: Laplacian, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    return torch.as_tensor(np.sqrt(laplacian.weights), dtype=dtype, device=device)[:, None]

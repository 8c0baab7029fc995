"""The graph Fourier transform: modes of a Laplacian, all of a small graph or the first k of a large one.

See ``ml.spectral.modes`` for the iterative solvers, ``ml.spectral.chebyshev`` for filters that need no modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ml.spectral.filters import Kernel
from ml.spectral.laplacian import Laplacian, checked_signal
from ml.spectral.modes import MAX_EXACT_NODES, first_modes


@dataclass(frozen=True)
class FourierBasis:
    """Modes u_k of L in ascending order of their frequencies λ_k; Lu_k = λ_k u_k.

    ``frequencies[K]``; ``modes[N, K]``, orthonormal in ⟨x, y⟩ = Σ w_i x_i y_i with the ``weights[N]`` of the Laplacian,
    each with its largest entry positive; ``residuals[K]`` ‖Lu − λu‖ in that norm: an eigenvalue is within that
    distance.
    """

    frequencies: np.ndarray
    modes: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray


def fourier_basis(laplacian: Laplacian, k: int | None = None, tolerance: float = 1e-6, seed: int = 0) -> FourierBasis:
    """The first ``k`` modes, or all of them.

    Graphs of up to ``modes.DENSE_NODES`` nodes, and full bases, are solved densely. Otherwise each connected component
    is solved iteratively; the modes of frequency 0 are known without solving. Residuals do not show whether a
    frequency was skipped; blocks that are larger than k make that unlikely.

    Args:
        tolerance: largest residual, relative to the k-th frequency.

    Raises:
        ValueError: k is not between 1 and N, or the full basis of a graph above ``MAX_EXACT_NODES``.
        ConvergenceError: the residuals stayed above the tolerance.
    """
    nodes = laplacian.nodes
    if k is None and nodes > MAX_EXACT_NODES:
        raise ValueError(
            f"a full basis of {nodes} nodes takes {8 * nodes**2 / 1e9:.1f} GB: request the first k modes, "
            "or filter with Chebyshev polynomials"
        )
    if k is not None and not 1 <= k <= nodes:
        raise ValueError(f"{k} modes of {nodes} nodes: must be between 1 and {nodes}")
    if k is None:
        frequencies, vectors = linalg.eigh(laplacian.symmetric.toarray(), driver="evd")
    else:
        frequencies, vectors = first_modes(laplacian, k, tolerance, seed)
    residuals = np.linalg.norm(laplacian.symmetric @ vectors - vectors * frequencies, axis=0)
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1, 1)
    modes = vectors / np.sqrt(laplacian.weights)[:, None]
    return FourierBasis(np.maximum(frequencies, 0), modes, residuals, laplacian.weights)


def gft(basis: FourierBasis, signal: np.ndarray) -> np.ndarray:
    """x̂_k = ⟨u_k, x⟩ of a signal ``[N]`` or ``[N, S]``: ``[K]`` or ``[K, S]``."""
    array = np.asarray(signal)
    if len(array) != len(basis.weights):
        raise ValueError(f"a signal of shape {array.shape}: the basis has {len(basis.weights)} nodes")
    return (basis.modes * basis.weights[:, None]).T @ array


def inverse_gft(basis: FourierBasis, coefficients: np.ndarray) -> np.ndarray:
    """x = Σ_k x̂_k u_k of ``[K]`` or ``[K, S]``; with fewer modes than nodes, the projection of x on those modes."""
    array = np.asarray(coefficients)
    if len(array) != len(basis.frequencies):
        raise ValueError(f"coefficients of shape {array.shape}: the basis has {len(basis.frequencies)} modes")
    return basis.modes @ array


def filter_exactly(laplacian: Laplacian, kernel: Kernel, signal: np.ndarray) -> np.ndarray:
    """g(L)x = U g(Λ) U⁻¹ x by the full basis, in the shape of the signal ``[N]`` or ``[N, S]``; for small graphs."""
    array = checked_signal(laplacian, signal)
    basis = fourier_basis(laplacian)
    response = np.asarray(kernel(basis.frequencies)).reshape(-1, *[1] * (array.ndim - 1))
    return inverse_gft(basis, response * gft(basis, array))

"""Laplacians of an undirected graph, and the smoothness of a signal on it. See ``ml.spectral.fourier``.

Rules, the same for every normalisation:

- **Disconnected graphs** are valid: the eigenvalue 0 has one mode per connected component.
- **An isolated node** is a component of its own: its row of L is 0, also where a formula would divide by its degree.
- **A self-loop** counts once in its node's degree. It therefore cancels in D − A, and lets the walk of the normalised
  Laplacians stay at the node (a node whose only edge is a loop is an isolated node).
- **Directed graphs**, negative and non-finite weights are errors: these Laplacians are not defined for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from scipy import sparse

LaplacianNormalization = Literal["combinatorial", "symmetric", "random_walk"]

ASYMMETRY = 1e-6
"""Largest difference between A and Aᵀ, relative to the largest weight, that counts as rounding."""

BOUND_STEPS = 20
"""Power steps that tighten the bound of the combinatorial spectrum."""


@dataclass(frozen=True)
class Laplacian:
    """A Laplacian of N nodes, as a symmetric matrix and the similarity transform to it.

    L_rw = D^-½ L_sym D^½ is not symmetric, but has the spectrum of ``symmetric[N, N]`` (float64); its modes are
    orthonormal in ⟨x, y⟩ = Σ d_i x_i y_i. For the other two, L is ``symmetric`` itself. ``degrees[N]`` are those of A.
    """

    symmetric: sparse.csr_array
    degrees: np.ndarray
    normalization: LaplacianNormalization

    @property
    def nodes(self) -> int:
        """N."""
        return self.symmetric.shape[0]

    @property
    def weights(self) -> np.ndarray:
        """``w[N]`` of the inner product: the degrees for ``random_walk`` (1 for an isolated node), else 1."""
        if self.normalization != "random_walk":
            return np.ones(self.nodes)
        return np.where(self.degrees > 0, self.degrees, 1.0)

    @property
    def matrix(self) -> sparse.csr_array:
        """L itself, ``[N, N]`` float64."""
        if self.normalization != "random_walk":
            return self.symmetric
        root = np.sqrt(self.weights)
        return sparse.csr_array(sparse.diags_array(1 / root) @ self.symmetric @ sparse.diags_array(root))

    @cached_property
    def lambda_max(self) -> float:
        """A number that no eigenvalue exceeds, always positive.

        2 for the normalised ones (reached by bipartite graphs). The combinatorial spectrum stays below the spectral
        radius of Q = |L|, which by Collatz and Wielandt is at most max_i (Qx)_i / x_i for every x > 0. The bound
        starts with the largest doubled degree (x = 1), and steps x ← Qx never raise it. It is close if
        a hub or a bipartite part has the largest eigenvalue. A graph without edges, where L = 0, gets 1.
        """
        if self.normalization != "combinatorial":
            return 2.0
        diagonal = self.symmetric.diagonal()
        connected = diagonal > 0
        if not connected.any():
            return 1.0
        x = np.ones(self.nodes)
        for _ in range(BOUND_STEPS):
            image = 2 * diagonal * x - self.symmetric @ x
            bound = float(np.max(image[connected] / x[connected]))
            x = np.where(connected, image / bound, 1.0)
        return bound * (1 + 1e-9)


def laplacian(adjacency: sparse.csr_array, normalization: LaplacianNormalization = "symmetric") -> Laplacian:
    """The Laplacian of a weighted graph, by the rules of this module.

    =================  ==========================================
    ``combinatorial``  L = D − A
    ``symmetric``      L = I − D^-½ A D^-½, spectrum in [0, 2]
    ``random_walk``    L = I − D⁻¹A, spectrum in [0, 2]
    =================  ==========================================

    Args:
        adjacency: ``A[N, N]``, symmetric; parallel entries add up.

    Raises:
        ValueError: an unknown normalisation, or an adjacency that is not square, not symmetric, negative or not finite.
    """
    if normalization not in get_args(LaplacianNormalization):
        allowed = ", ".join(get_args(LaplacianNormalization))
        raise ValueError(f"normalization {normalization!r}: must be one of {allowed}")
    weights = checked_adjacency(adjacency)
    degrees = np.asarray(weights.sum(axis=1))
    if normalization == "combinatorial":
        return Laplacian(sparse.csr_array(sparse.diags_array(degrees) - weights), degrees, normalization)
    connected = degrees > 0
    inverse_root = 1 / np.sqrt(np.where(connected, degrees, 1.0))
    weights.data *= np.repeat(inverse_root, np.diff(weights.indptr))
    weights.data *= inverse_root[weights.indices]
    matrix = sparse.csr_array(sparse.diags_array(connected.astype(np.float64)) - weights)
    return Laplacian(matrix, degrees, normalization)


def smoothness(laplacian: Laplacian, signal: np.ndarray) -> np.ndarray:
    """xᵀLx = Σ over edges of w_ij (x_i − x_j)², ``[S]`` of a signal ``[N, S]``, a scalar of a signal ``[N]``.

    With ``symmetric``, x_i / √d_i takes the place of x_i. With ``random_walk`` it is ⟨x, Lx⟩ in that Laplacian's inner
    product, which is the combinatorial one's xᵀ(D − A)x.
    """
    checked = checked_signal(laplacian, signal).astype(np.float64)
    root = np.sqrt(laplacian.weights).reshape(-1, *[1] * (checked.ndim - 1))
    scaled = root * checked
    return np.sum(scaled * (laplacian.symmetric @ scaled), axis=0)


def rayleigh_quotients(laplacian: Laplacian, signal: np.ndarray) -> np.ndarray:
    """Mean frequency ⟨x, Lx⟩ / ⟨x, x⟩ of each signal, ``[S]`` or a scalar; between 0 and the largest eigenvalue.

    A signal that is 0 everywhere has no frequency: NaN.
    """
    energy = np.tensordot(laplacian.weights, np.square(np.asarray(signal, np.float64)), axes=1)
    return np.divide(
        smoothness(laplacian, signal), energy, out=np.full(np.shape(energy), np.nan), where=np.asarray(energy > 0)
    )


def checked_signal(laplacian: Laplacian, signal: np.ndarray) -> np.ndarray:
    """The signal as an array ``[N]`` or ``[N, S]``.

    Raises:
        ValueError: it has another shape, or numbers that are not finite.
    """
    array = np.asarray(signal)
    if array.ndim not in (1, 2) or len(array) != laplacian.nodes:
        raise ValueError(
            f"a signal of shape {array.shape}: must be [N] or [N, S] on the graph's {laplacian.nodes} nodes"
        )
    if not np.isfinite(array).all():
        nodes = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
        raise ValueError(f"the signal is not finite on {len(nodes)} nodes, first node {nodes[0]}: fill or drop them")
    return array


def checked_adjacency(adjacency: sparse.csr_array) -> sparse.csr_array:
    """A float64 copy in canonical form.

    Raises:
        ValueError: it is not square, not symmetric, negative or not finite.
    """
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1] or not adjacency.shape[0]:
        raise ValueError(f"an adjacency of shape {adjacency.shape}: must be square, with at least one node")
    weights = sparse.csr_array(adjacency).astype(np.float64)
    weights.sum_duplicates()
    if not np.isfinite(weights.data).all():
        raise ValueError("the adjacency has weights that are not finite")
    if (weights.data < 0).any():
        raise ValueError("the adjacency has negative weights: drop these edges, or shift the weights above 0")
    if weights.nnz and _asymmetry(weights) > ASYMMETRY * weights.max():
        raise ValueError("the adjacency is not symmetric, the graph is directed: take (A + A.T) / 2 if that is meant")
    return weights


def _asymmetry(weights: sparse.csr_array) -> float:
    """max |A − Aᵀ|; without a sparse difference, which takes twice the memory, where both have the same entries."""
    transposed = sparse.csr_array(weights.T)
    same = np.array_equal(weights.indptr, transposed.indptr) and np.array_equal(weights.indices, transposed.indices)
    return float(np.max(np.abs(weights.data - transposed.data)) if same else abs(weights - transposed).max())

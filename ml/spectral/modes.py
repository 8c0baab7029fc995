"""Solvers for the first modes of a large Laplacian, with checks of their results. See ``ml.spectral.fourier``."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy import linalg, sparse
from scipy.sparse.linalg import lobpcg

from ml.sparse import csr_tensor
from ml.spectral.chebyshev import Recurrence
from ml.spectral.laplacian import Laplacian

DENSE_NODES = 1_500
"""Components up to this size are solved densely, within a second."""

MAX_EXACT_NODES = 10_000
"""Largest graph that is solved densely: its N² float64 numbers take 0.8 GB, and the solution takes minutes."""

MAX_PRODUCTS = 20_000
"""Maximum number of products of the matrix and a block in subspace iteration."""

AMPLIFICATION = 1e10
MIN_DEGREE, MAX_DEGREE = 10, 300
"""Amplification of the lowest frequency relative to those above the block; more would lose the others to rounding."""

STRETCHED = 20
"""Spectra beyond this number of mean degrees, as of graphs with hubs, are solved by preconditioned LOBPCG."""

GUARD_MODES = 5
"""Extra modes in LOBPCG's block, because the last ones converge late."""

LOBPCG_ROUNDS = 20
LOBPCG_ITERATIONS = 25
"""Iterations per round; the residuals are checked between rounds."""

SMOOTHING_STEPS = 6
SMOOTHED_FROM = 0.1
"""The preconditioner approximates the inverse on normalised frequencies between this and 2."""

Modes = tuple[np.ndarray, np.ndarray]
"""Eigenvalues ``[k]``, ascending, and orthonormal eigenvectors ``[n, k]``."""


class ConvergenceError(RuntimeError):
    """A solver stopped with residuals above the tolerance; the message names the residual."""


def first_modes(laplacian: Laplacian, k: int, tolerance: float, seed: int) -> Modes:
    """The first k modes of ``laplacian.symmetric``.

    The spectrum of a graph is the union of those of its components, each of which has the eigenvalue 0 once, with a
    known eigenvector. The solvers therefore never get a multiple eigenvalue 0, with which they would converge slowly.

    Raises:
        ValueError: the graph is too large for the dense solver, and k too large for the iterative ones.
        ConvergenceError: a residual above ``tolerance`` times the last eigenvalue.
    """
    if laplacian.nodes <= DENSE_NODES:
        return _dense(laplacian.symmetric, k)
    count, component = sparse.csgraph.connected_components(laplacian.symmetric, directed=False)
    combinatorial = laplacian.normalization == "combinatorial"
    constant = np.ones(laplacian.nodes) if combinatorial else np.sqrt(np.where(laplacian.degrees, laplacian.degrees, 1))
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for index in range(count if k > count else k):
        nodes = np.flatnonzero(component == index)
        null = constant[nodes, None] / np.linalg.norm(constant[nodes])
        found.append((0.0, nodes, null[:, 0]))
        wanted = min(k - count, len(nodes) - 1)
        if wanted > 0:
            block = sparse.csr_array(laplacian.symmetric[nodes][:, nodes])
            values, vectors = matrix_modes(block, null, wanted, laplacian.lambda_max, tolerance, seed)
            found.extend((value, nodes, vector) for value, vector in zip(values, vectors.T, strict=True))
    first = sorted(found, key=lambda mode: mode[0])[:k]
    modes = np.zeros((laplacian.nodes, k))
    for column, (_, nodes, vector) in enumerate(first):
        modes[nodes, column] = vector
    return np.array([value for value, _, _ in first]), modes


def matrix_modes(matrix: sparse.csr_array, known: np.ndarray, k: int, top: float, tolerance: float, seed: int) -> Modes:
    """The first k modes of a symmetric matrix with a spectrum in [0, top], after ``known[n, j]``, its first j modes.

    Raises:
        ValueError, ConvergenceError: as ``first_modes``.
    """
    nodes = len(known)
    many = 5 * (k + GUARD_MODES) >= nodes
    if nodes <= DENSE_NODES or (many and nodes <= MAX_EXACT_NODES):
        values, vectors = _dense(matrix, known.shape[1] + k)
        return values[known.shape[1] :], vectors[:, known.shape[1] :]
    if many:
        raise ValueError(f"{k} modes of a component of {nodes} nodes: request less than a fifth of them")
    generator = np.random.default_rng(seed)
    if top > STRETCHED * matrix.diagonal().mean():
        return _lobpcg(matrix, known, k, tolerance, generator)
    return _filtered_subspace(matrix, known, k, top, tolerance, generator)


def _dense(matrix: sparse.csr_array, k: int) -> Modes:
    values, vectors = linalg.eigh(matrix.toarray(), subset_by_index=(0, k - 1))
    return values, vectors


def _filtered_subspace(
    matrix: sparse.csr_array, known: np.ndarray, k: int, top: float, tolerance: float, generator: np.random.Generator
) -> Modes:
    """Subspace iteration with Chebyshev filters (Zhou, Saad, Tiago, Chelikowsky 2006).

    Each pass applies the polynomial that is small between the block's largest frequency and the top of the spectrum,
    and grows below; then Rayleigh and Ritz. Blocks find frequencies of any multiplicity, and make products cheap.
    """
    recurrence = Recurrence(matrix, torch.float64)
    block = torch.from_numpy(generator.normal(size=(len(known), k + max(GUARD_MODES, k // 4))))
    locked = torch.from_numpy(known)
    values = torch.zeros(0)
    worst, limit, products = np.inf, 0.0, 0
    while products < MAX_PRODUCTS:
        if len(values):
            # Rounding leaves parts of the known modes, all at 0, which must not grow beyond the others.
            degree = _degree(0.0 if known.size else float(values[0]), float(values[-1]), top)
            *_, block = recurrence.polynomials(block, degree, float(values[-1]), top)
            products += degree
        block, _ = torch.linalg.qr(block - locked @ (locked.T @ block))
        image = recurrence.matrix @ block
        values, rotation = torch.linalg.eigh(block.T @ image)
        block = block @ rotation
        worst, limit = _residual(matrix, values[:k].numpy(), block[:, :k].numpy(), tolerance)
        if worst <= limit:
            return values[:k].numpy(), block[:, :k].numpy()
    raise ConvergenceError(
        f"subspace iteration reached a residual of {worst:.1e}, not {limit:.1e}, in {products} products: "
        "raise the tolerance, or request fewer modes"
    )


def _degree(lowest: float, low: float, top: float) -> int:
    """The degree at which the filter of [low, top] reaches ``AMPLIFICATION`` at the lowest frequency."""
    growth = np.arccosh(1 + 2 * (low - lowest) / (top - low))
    return int(np.clip(np.log(2 * AMPLIFICATION) / max(growth, 1e-12), MIN_DEGREE, MAX_DEGREE))


def _lobpcg(
    matrix: sparse.csr_array, known: np.ndarray, k: int, tolerance: float, generator: np.random.Generator
) -> Modes:
    """LOBPCG orthogonal to the known modes; the preconditioner compensates the large eigenvalues of hubs."""
    vectors = generator.normal(size=(len(known), k + GUARD_MODES))
    multiply, precondition = _product(matrix), _preconditioner(matrix)
    locked = 0.0
    for _ in range(LOBPCG_ROUNDS):
        with warnings.catch_warnings():
            # The residuals below decide whether it converged.
            warnings.filterwarnings("ignore", message="Exited", category=UserWarning)
            values, block = lobpcg(
                multiply,
                vectors,
                M=precondition,
                Y=known,
                tol=locked,
                maxiter=LOBPCG_ITERATIONS,
                largest=False,
            )
        vectors = np.asarray(block, np.float64)
        worst, limit = _residual(matrix, values[:k], vectors[:, :k], tolerance)
        if worst <= limit:
            return values[:k], vectors[:, :k]
        locked = limit / 3
    raise ConvergenceError(
        f"LOBPCG reached a residual of {worst:.1e}, not {limit:.1e}, in "
        f"{LOBPCG_ROUNDS * LOBPCG_ITERATIONS} iterations: raise the tolerance, or use a normalised Laplacian"
    )


def _residual(
    matrix: sparse.csr_array, values: np.ndarray, vectors: np.ndarray, tolerance: float
) -> tuple[float, float]:
    """The largest ‖Lu − λu‖, and its limit: the tolerance of the last eigenvalue, or rounding if that is larger."""
    worst = np.linalg.norm(matrix @ vectors - vectors * values, axis=0).max()
    rounding = 100 * np.finfo(np.float64).eps * matrix.diagonal().max()
    return float(worst), float(max(tolerance * values[-1], rounding))


def _product(matrix: sparse.csr_array) -> Callable[[np.ndarray], np.ndarray]:
    tensor = csr_tensor(matrix, torch.float64)
    return lambda block: (tensor @ torch.from_numpy(np.ascontiguousarray(block))).numpy()


def _preconditioner(matrix: sparse.csr_array) -> Callable[[np.ndarray], np.ndarray]:
    """D^-½ p(D^-½ L D^-½) D^-½ with p(λ) ≈ 1/λ: a few Chebyshev steps for Lx = b from x = 0.

    The error polynomial of such steps stays within (−1, 1) on (0, 2], so p is positive there, as LOBPCG requires.
    """
    root = np.sqrt(matrix.diagonal())
    scale = sparse.diags_array(1 / root)
    normalised = csr_tensor(sparse.csr_array(scale @ matrix @ scale), torch.float64)
    inverse_root = torch.from_numpy(1 / root)[:, None]
    centre, radius = (2 + SMOOTHED_FROM) / 2, (2 - SMOOTHED_FROM) / 2

    def apply(block: np.ndarray) -> np.ndarray:
        rest = inverse_root * torch.from_numpy(np.ascontiguousarray(block))
        ratio = radius / centre
        step = rest / centre
        solution = step.clone()
        for _ in range(SMOOTHING_STEPS - 1):
            rest = rest - normalised @ step
            next_ratio = 1 / (2 * centre / radius - ratio)
            step = next_ratio * ratio * step + 2 * next_ratio / radius * rest
            ratio = next_ratio
            solution += step
        return (inverse_root * solution).numpy()

    return apply

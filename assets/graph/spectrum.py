"""The spectrum of the co-purchase graph as a table and figures.

See ``ml.spectral`` for the transforms, and ``assets.graph.studies.spectral`` for their uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy import sparse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ml.spectral import FourierBasis, SpectralDensity

DENSITY_POINTS = 200
NODES_DRAWN = 6000


@dataclass(frozen=True)
class GraphSpectrum:
    """The first modes of the largest component, with its ``nodes[n]``, and the spectral density of the whole graph.

    The first modes of the whole graph would only indicate its components.
    """

    components: int
    nodes: np.ndarray
    basis: FourierBasis
    density: SpectralDensity


def graph_spectrum(adjacency: sparse.csr_array, modes: int = 20, seed: int = 0) -> GraphSpectrum:
    """The spectrum of the random-walk Laplacian: the frequencies of the symmetric one, and a constant first mode.

    Args:
        adjacency: ``[N, N]``, symmetric.
        modes: number of modes; at most the number of nodes of the largest component.

    Raises:
        ml.spectral.ConvergenceError: the residual of a mode exceeds a millionth of the last frequency.
    """
    from ml.spectral import fourier_basis, laplacian, spectral_density

    components, component = sparse.csgraph.connected_components(adjacency, directed=False)
    nodes = np.flatnonzero(component == np.bincount(component).argmax())
    largest = laplacian(sparse.csr_array(adjacency[nodes][:, nodes]), "random_walk")
    basis = fourier_basis(largest, min(modes, len(nodes)), seed=seed)
    density = spectral_density(laplacian(adjacency, "random_walk"), seed=seed)
    return GraphSpectrum(components, nodes, basis, density)


def spectrum_rows(spectrum: GraphSpectrum) -> pl.DataFrame:
    """The frequencies of the modes and the points of the density, in one long table.

    Returns:
        quantity VARCHAR (mode or density), position BIGINT from 0, frequency DOUBLE, density DOUBLE (eigenvalues per
        node and unit of frequency; NULL for modes), error DOUBLE (residual ‖Lu − λu‖ of a mode, standard error of a
        density).
    """
    basis = spectrum.basis
    frequencies = _inside(spectrum.density.lambda_max)
    density, error = spectrum.density.at(frequencies)
    modes = pl.DataFrame(
        {"frequency": basis.frequencies, "density": None, "error": basis.residuals},
        schema_overrides={"density": pl.Float64},
    )
    points = pl.DataFrame({"frequency": frequencies, "density": density, "error": error})
    return pl.concat(
        frame.select(
            pl.lit(quantity).alias("quantity"), pl.int_range(pl.len(), dtype=pl.Int64).alias("position"), pl.all()
        )
        for quantity, frame in (("mode", modes), ("density", points))
    )


def modes_figure(spectrum: GraphSpectrum, shown: int = 4) -> Figure:
    """Scatter plots of nodes by rank in the second and third mode, each coloured by one of the first modes.

    A random sample of a large graph's nodes is drawn.
    """
    from matplotlib.figure import Figure

    modes = spectrum.basis.modes
    shown = min(shown, modes.shape[1] - 1)
    if shown < 2:
        raise ValueError(f"{modes.shape[1]} modes: a plane needs at least 3")
    ranks = modes[:, 1:].argsort(axis=0).argsort(axis=0) / len(modes)
    ranks = ranks[np.random.default_rng(0).permutation(len(modes))[:NODES_DRAWN]]
    lines = -(-shown // 2)
    figure = Figure(figsize=(7.6, 3.6 * lines), dpi=80, layout="constrained")
    for index in range(shown):
        axes = figure.add_subplot(lines, 2, index + 1)
        axes.scatter(ranks[:, 0], ranks[:, 1], c=ranks[:, index], s=2, cmap="coolwarm", linewidths=0)
        axes.set_title(f"mode {index + 2}, frequency {spectrum.basis.frequencies[index + 1]:.3g}")
        axes.set_xlabel("rank in mode 2")
        axes.set_ylabel("rank in mode 3")
    return figure


def density_figure(spectrum: GraphSpectrum) -> Figure:
    """The spectral density with a band of two standard errors."""
    from matplotlib.figure import Figure

    frequencies = _inside(spectrum.density.lambda_max)
    density, error = spectrum.density.at(frequencies)
    figure = Figure(figsize=(5.0, 3.2), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.plot(frequencies, density)
    axes.fill_between(frequencies, density - 2 * error, density + 2 * error, alpha=0.3)
    axes.set_title("spectral density")
    axes.set_xlabel("frequency")
    axes.grid(alpha=0.3)
    return figure


def _inside(lambda_max: float) -> np.ndarray:
    """Frequencies inside the open interval; the formula of the density is 0/0 at both ends."""
    return (np.arange(DENSITY_POINTS) + 0.5) * lambda_max / DENSITY_POINTS

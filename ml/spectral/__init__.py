"""Graph signal processing: Laplacians, Fourier transform, filters, spectral density and clusters.

Signals are arrays ``[N]`` or ``[N, S]`` on the N nodes of a graph, which is given as a scipy CSR adjacency.
"""

from ml.spectral.chebyshev import (
    analyze,
    chebyshev_coefficients,
    chebyshev_error,
    chebyshev_values,
    filter_signal,
    jackson_damping,
    spectrogram,
    synthesize,
)
from ml.spectral.clustering import normalized_cut, spectral_clusters
from ml.spectral.density import SpectralDensity, spectral_density
from ml.spectral.filters import Kernel, frame_bounds, half_cosine, heat, itersine, mexican_hat, meyer, tikhonov
from ml.spectral.fourier import FourierBasis, filter_exactly, fourier_basis, gft, inverse_gft
from ml.spectral.laplacian import Laplacian, LaplacianNormalization, laplacian, rayleigh_quotients, smoothness
from ml.spectral.modes import ConvergenceError

__all__ = [
    "ConvergenceError",
    "FourierBasis",
    "Kernel",
    "Laplacian",
    "LaplacianNormalization",
    "SpectralDensity",
    "analyze",
    "chebyshev_coefficients",
    "chebyshev_error",
    "chebyshev_values",
    "filter_exactly",
    "filter_signal",
    "fourier_basis",
    "frame_bounds",
    "gft",
    "half_cosine",
    "heat",
    "inverse_gft",
    "itersine",
    "jackson_damping",
    "laplacian",
    "mexican_hat",
    "meyer",
    "normalized_cut",
    "rayleigh_quotients",
    "smoothness",
    "spectral_clusters",
    "spectral_density",
    "spectrogram",
    "synthesize",
    "tikhonov",
]

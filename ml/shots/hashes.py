"""Perceptual hashes of pictures: the signs of their lowest frequencies, which mirroring changes in a known way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Frequencies of each direction; without the mean there are 63 signs."""
ROWS, COLUMNS = 16, 32
"""Cells that a picture is averaged to before; details do not count."""
LEAST_CONTRAST = 8.0
"""Standard deviation of grey values, of 255, below which a picture has no hash: all plain pictures look alike."""


def picture_hash(grey: NDArray[np.float32]) -> int | None:
    """63 bits of a picture ``grey[height, width]``, 0 to 255; None if it is plain.

    Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), compares with the median of the
    frequencies. Their signs have the same error, and of a mirrored picture exactly the odd ones change.
    """
    from scipy.fft import dctn  # its import takes time, which loading the definitions need not

    if grey.std() < LEAST_CONTRAST:
        return None
    sums = np.add.reduceat(grey, _edges(grey.shape[0], ROWS), axis=0, dtype=np.float64)
    small = np.add.reduceat(sums, _edges(grey.shape[1], COLUMNS), axis=1)
    signs = dctn(small, norm="ortho")[:SIDE, :SIDE].reshape(-1)[1:] > 0
    return int(sum(1 << int(bit) for bit in np.flatnonzero(signs)))


def _edges(pixels: int, parts: int) -> NDArray[np.int64]:
    return np.arange(parts, dtype=np.int64) * pixels // parts


MIRROR = sum(1 << (bit - 1) for bit in range(1, SIDE * SIDE) if bit % SIDE % 2)
"""The bits of a hash that change where the picture is mirrored: those of odd horizontal frequencies."""

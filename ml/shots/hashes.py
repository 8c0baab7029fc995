"""Perceptual hashes of pictures and their parts: signs of low frequencies, which mirroring changes in a known way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Frequencies of each direction; without the mean there are 63 signs."""
ROWS, COLUMNS = 16, 32
"""Cells that a picture is averaged to before; details do not count."""
LEAST_CONTRAST = 8.0
"""Standard deviation of grey values, of 255, below which a picture has no hash: all plain pictures look alike."""
LEAST_STEP = 16.0
"""Difference of grey values, of 255, up to which there is no edge; faint ones vanish when light areas become white."""
LEAST_EDGES = 0.01
"""Share of pixels on edges below which a picture has too few for a hash of them."""

WHOLE, UPPER, LOWER, EDGES = "picture_hash", "upper_hash", "lower_hash", "edge_hash"
CENTRE_90, CENTRE_80 = "centre_90_hash", "centre_80_hash"
PARTS = {
    WHOLE: (0.0, 1.0, 0.0, 1.0),
    CENTRE_90: (0.05, 0.95, 0.05, 0.95),
    CENTRE_80: (0.1, 0.9, 0.1, 0.9),
    UPPER: (0.0, 0.8, 0.0, 1.0),
    LOWER: (0.2, 1.0, 0.0, 1.0),
}
"""Parts of a picture that have a hash: top, bottom, left and right, as shares of its height and width.

A hash of one part is near that of a part which is up to 3 % larger or smaller on each side.
"""


def hashes(grey: NDArray[np.float32]) -> dict[str, int | None]:
    """Hashes of the parts of a picture ``grey[height, width]``, 0 to 255, and of its edges; None where it is plain."""
    height, width = grey.shape
    found: dict[str, int | None] = {}
    for name, (top, bottom, left, right) in PARTS.items():
        rows = slice(round(top * height), round(bottom * height))
        found[name] = picture_hash(grey[rows, round(left * width) : round(right * width)])
    return {**found, EDGES: edge_hash(grey)}


def picture_hash(grey: NDArray[np.float32]) -> int | None:
    """63 bits of a picture ``grey[height, width]``, 0 to 255; None if it is plain.

    Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), compares with the median of the
    frequencies. Their signs have the same error, and of a mirrored picture exactly the odd ones change.
    """
    return None if grey.std() < LEAST_CONTRAST else _signs(grey)


def edge_hash(grey: NDArray[np.float32]) -> int | None:
    """63 bits of where a picture ``grey[height, width]``, 0 to 255, has edges; None if it has too few.

    Lines stay where they are when light areas become white, which changes what a drawing's lowest frequencies are.
    """
    down = np.abs(grey[2:, 1:-1] - grey[:-2, 1:-1])
    right = np.abs(grey[1:-1, 2:] - grey[1:-1, :-2])
    edges = np.maximum(np.maximum(down, right) - np.float32(LEAST_STEP), 0)
    return None if np.count_nonzero(edges) < LEAST_EDGES * edges.size else _signs(edges)


def _signs(grey: NDArray[np.float32]) -> int:
    from scipy.fft import dctn  # its import takes time, which loading the definitions need not

    tops, lefts = _starts(grey.shape[0], ROWS), _starts(grey.shape[1], COLUMNS)
    sums = np.add.reduceat(np.add.reduceat(grey, tops, axis=0), lefts, axis=1, dtype=np.float64)
    # Cells differ by a row or a column in size where the picture is no multiple of them.
    sizes = np.diff(tops, append=grey.shape[0])[:, None] * np.diff(lefts, append=grey.shape[1])
    signs = dctn(sums / sizes, norm="ortho")[:SIDE, :SIDE].reshape(-1)[1:] > 0
    return int(sum(1 << int(bit) for bit in np.flatnonzero(signs)))


def _starts(pixels: int, parts: int) -> NDArray[np.int64]:
    return np.arange(parts, dtype=np.int64) * pixels // parts


MIRROR = sum(1 << (bit - 1) for bit in range(1, SIDE * SIDE) if bit % SIDE % 2)
"""The bits of a hash that change where the picture is mirrored: those of odd horizontal frequencies."""

"""One vector a clip from the feature rows of its video (HowTo100M section 4.1).

Belongs here: which rows a clip covers and how they become one vector. numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clip_rows(
    start_s: NDArray[np.float64], end_s: NDArray[np.float64], rows: NDArray[np.int64] | int, rate_hz: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and row after the last of each clip ``[s, e]``: rows ``int(s·r) … int(e·r)`` inclusive.

    Args:
        start_s, end_s: seconds, one a clip.
        rows: number of rows of the clip's video.
        rate_hz: rows per second.

    Returns:
        ``first[clips]`` and ``stop[clips]``, cut to the rows that exist; ``stop <= first`` where there are none.
    """
    first = np.maximum((start_s * rate_hz).astype(np.int64), 0)
    stop = np.minimum((end_s * rate_hz).astype(np.int64) + 1, rows)
    return first, stop


def clip_vectors(
    features: NDArray[np.floating],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    rate_hz: float,
    first_row: NDArray[np.int64] | int = 0,
    rows: NDArray[np.int64] | int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Temporal maximum over the rows of each clip, L2-normalised, for one stream.

    Args:
        features: ``[all rows, dim]`` of one video, or of many, one after the other.
        start_s, end_s: seconds, one a clip.
        rate_hz: rows per second.
        first_row: where the clip's video starts in ``features``.
        rows: number of rows of the clip's video; None for all.

    Returns:
        ``vectors[clips, dim]``, and ``empty[clips]``: clips that have no rows, whose vector is zero.
    """
    first, stop = clip_rows(start_s, end_s, len(features) if rows is None else rows, rate_hz)
    empty = stop <= first
    pooled = np.zeros((len(start_s), features.shape[1]), np.float32)
    if empty.all():
        return pooled, empty
    # Each pair of neighbours in the list is one span: even results are the clips, odd ones the gaps between them.
    # The row of padding lets a clip end where the features do.
    padded = np.zeros((len(features) + 1, features.shape[1]), np.float32)
    padded[:-1] = features
    spans = (np.stack([first, stop], 1) + np.reshape(first_row, (-1, 1)))[~empty].reshape(-1)
    pooled[~empty] = np.maximum.reduceat(padded, spans)[::2]
    norms = np.linalg.norm(pooled, axis=1, keepdims=True)
    pooled /= np.where(norms > 0, norms, 1)
    return pooled, empty

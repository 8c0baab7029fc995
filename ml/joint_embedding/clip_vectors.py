"""One vector per clip from the feature rows of its video (HowTo100M section 4.1), for all clips of a shard at once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

BLOCK = 64
"""Clips at a time: with 2,048 numbers each, this many fit into a processor's cache."""


def clip_rows(
    start_s: NDArray[np.float64], end_s: NDArray[np.float64], rows: NDArray[np.int64] | int, rate_hz: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and row after the last of each clip ``[s, e]``: rows ``int(s·r) … int(e·r)`` inclusive.

    Args:
        start_s, end_s: seconds, one per clip.
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
        features: ``[all rows, dim]`` of one video, or of several in a row.
        start_s, end_s: seconds, one per clip.
        rate_hz: rows per second.
        first_row: where the clip's video starts in ``features``.
        rows: number of rows of the clip's video; None for all.

    Returns:
        ``vectors[clips, dim]``, and ``empty[clips]``: clips without rows, whose vector is zero.
    """
    first, stop = clip_rows(start_s, end_s, len(features) if rows is None else rows, rate_hz)
    first, length = first + first_row, np.maximum(stop - first, 0)
    # NumPy allocates large pages; allocating the small pages of torch would take longer than filling them.
    vectors = np.zeros((len(length), features.shape[1]), np.float32)
    into, feature_rows = torch.from_numpy(vectors), torch.from_numpy(np.ascontiguousarray(features))
    maxima, rows_of_step = (feature_rows.new_empty(BLOCK, features.shape[1]) for _ in range(2))
    longest_first = np.argsort(-length, kind="stable")[: np.count_nonzero(length)]
    for start in range(0, len(longest_first), BLOCK):
        clips = longest_first[start : start + BLOCK]
        maximum = maxima[: len(clips)]
        _maximum(feature_rows, torch.from_numpy(first[clips]), length[clips], maximum, rows_of_step)
        into.index_copy_(0, torch.from_numpy(clips), torch.nn.functional.normalize(maximum.float()))
    return vectors, length == 0


def _maximum(
    rows: torch.Tensor, first: torch.Tensor, length: NDArray[np.int64], maximum: torch.Tensor, spare: torch.Tensor
) -> None:
    """Write the maximum over ``rows[first : first + length]`` of each clip into ``maximum[clips, dim]``, longest first.

    Rows keep their precision, in which a maximum is exact.
    """
    torch.index_select(rows, 0, first, out=maximum)
    for row in range(1, int(length[0])):
        longer = np.count_nonzero(length > row)
        torch.index_select(rows, 0, first[:longer] + row, out=spare[:longer])
        torch.maximum(maximum[:longer], spare[:longer], out=maximum[:longer])

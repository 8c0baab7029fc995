"""One vector a clip from the feature rows of its video (HowTo100M section 4.1).

Belongs here: which rows a clip covers and how they become one vector, for all clips of a shard at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PIECE = 8
"""Rows that are pooled one after the other; longer clips are pooled in pieces first."""
BLOCK = 256
"""Clips at a time: as many rows of 2,048 half-precision numbers as a processor's cache holds."""


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
    vectors = torch.empty(int((~empty).sum()), features.shape[1])
    if len(vectors):
        rows_of_videos = torch.from_numpy(np.ascontiguousarray(features))
        begins, lengths = torch.from_numpy((first + first_row)[~empty]), torch.from_numpy((stop - first)[~empty])
        for clips, maxima in _maxima(rows_of_videos, begins, lengths):
            torch.nn.functional.normalize(maxima.float(), out=vectors[clips])
    if not empty.any():
        return vectors.numpy(), empty
    pooled = np.zeros((len(empty), features.shape[1]), np.float32)
    pooled[~empty] = vectors.numpy()
    return pooled, empty


def _maxima(rows: Tensor, first: Tensor, length: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Maximum over ``rows[first : first + length]`` of each clip, in blocks ``[clips, dim]``; no length is zero.

    Rows stay in their own precision, in which a maximum is exact.
    """
    if int(length.max()) > PIECE:
        pieces = -(-length // PIECE)
        clip = torch.arange(len(length)).repeat_interleave(pieces)
        start_of_clip = pieces.cumsum(0) - pieces
        offset = PIECE * (torch.arange(len(clip)) - start_of_clip[clip])
        parts = _maxima(rows, first[clip] + offset, (length[clip] - offset).clamp(max=PIECE))
        yield from _maxima(torch.cat([maxima for _, maxima in parts]), start_of_clip, pieces)
        return
    for start in range(0, len(first), BLOCK):
        block = slice(start, start + BLOCK)
        last = length[block] - 1
        maximum = rows[first[block]]
        for step in range(1, int(last.max()) + 1):
            maximum = torch.maximum(maximum, rows[first[block] + last.clamp(max=step)])
        yield block, maximum

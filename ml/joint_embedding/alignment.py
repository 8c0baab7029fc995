"""Alignment of captions with video: the best-matching window near the time at which a caption is spoken.

Narration is often earlier or later than what it describes: of random pairs of HowTo100M only 51 % show at least one
object or action of their caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ml.joint_embedding.clip_vectors import clip_rows, clip_vectors
from ml.joint_embedding.pairs import Stream, VideoPairs
from ml.joint_embedding.text_video import TextVideoModel


@dataclass(frozen=True)
class Alignment:
    """Windows of the captions of a video, ``[aligned]`` each.

    ``caption``: number of the caption; ``start_s``, ``end_s``: its window; ``shift_s``: how much later than the
    caption the window is; ``score``: its dot product with the caption. ``without_rows`` and ``without_words`` count
    the captions without a window, because no window has a feature row or no word is known.
    """

    caption: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    shift_s: NDArray[np.float64]
    score: NDArray[np.float32]
    without_rows: int
    without_words: int


@torch.inference_mode()
def align_captions(
    model: TextVideoModel,
    streams: Sequence[Stream],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    captions: Sequence[str],
    radius_s: float = 10.0,
    min_time_s: float = 5.0,
    block: int = 1024,
) -> Alignment:
    """The best window of each caption: as long as the caption, shifted by whole feature rows of the slowest stream.

    Shifted windows stay within the video. Of equally good windows the one with the least shift is used, then the
    earlier.

    Args:
        streams: the feature rows of the video; the model reads their concatenation.
        start_s, end_s: seconds of each caption.
        radius_s: largest shift in either direction.
        min_time_s: shorter captions are extended to this on both sides, but not to before the start of the video.
        block: windows that are embedded at a time.
    """
    duration_s = min(len(stream.features) / stream.rate_hz for stream in streams)
    known = np.array([row for row, caption in enumerate(captions) if model.known_words(caption)], np.int64)
    missing_s = np.maximum(min_time_s - (end_s - start_s), 0)
    starts, ends = np.maximum(start_s - missing_s / 2, 0), end_s + missing_s / 2
    shifts = _shifts(radius_s, min(stream.rate_hz for stream in streams))
    window_start, window_end = (times[known, None] + shifts for times in (starts, ends))
    # Windows with the same rows have the same vector, also across captions.
    distinct, first, of_window = _distinct_rows(streams, window_start.ravel(), window_end.ravel())
    holds_rows: NDArray[np.bool_] = np.all(distinct[:, 1::2] > distinct[:, 0::2], axis=1)
    usable = holds_rows[of_window].reshape(window_start.shape)
    usable &= (shifts == 0) | ((window_start >= 0) & (window_end <= duration_s))
    text = torch.from_numpy(model.encode_text([captions[row] for row in known]))
    scores = _scores(model, text, streams, window_start.ravel()[first], window_end.ravel()[first], block)
    by_shift = np.take_along_axis(scores, of_window.reshape(window_start.shape), 1)
    by_shift = np.where(usable, by_shift, -np.inf)
    best = by_shift.argmax(1)  # the first of equals
    found = np.flatnonzero(usable.any(1))
    best = best[found]
    return Alignment(
        known[found],
        window_start[found, best],
        window_end[found, best],
        shifts[best],
        by_shift[found, best].astype(np.float32),
        len(known) - len(found),
        len(captions) - len(known),
    )


def aligned_pairs(
    alignment: Alignment, streams: Sequence[Stream], captions: Sequence[str], min_score: float = -1.0
) -> VideoPairs:
    """Clip-caption pairs of the windows in order of time, for training (``ml.joint_embedding.pair_store``).

    Args:
        captions: texts of the video, as given to ``align_captions``.
        min_score: windows with a lower score are left out.
    """
    kept = np.flatnonzero(alignment.score >= min_score)
    kept = kept[np.argsort(alignment.start_s[kept], kind="stable")]
    start_s, end_s = alignment.start_s[kept], alignment.end_s[kept]
    pooled = [clip_vectors(stream.features, start_s, end_s, stream.rate_hz)[0] for stream in streams]
    texts = [captions[caption] for caption in alignment.caption[kept]]
    vectors = np.concatenate(pooled, 1).astype(np.float16)
    return VideoPairs(start_s, end_s, texts, vectors, alignment.without_rows, alignment.without_words)


def _shifts(radius_s: float, rate_hz: float) -> NDArray[np.float64]:
    """All shifts by whole rows, the smallest first: 0, −1, 1, −2, …"""
    rows = np.arange(1, int(radius_s * rate_hz + 1e-9) + 1)
    return np.concatenate([[0], np.stack([-rows, rows], 1).ravel()]) / rate_hz


def _distinct_rows(
    streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct windows, by the rows of all streams in them.

    Returns:
        First row and row after the last of each stream, ``[distinct, 2 · streams]``; the first window with these rows
        ``[distinct]``; for each window its number among the distinct ones.
    """
    ranges = [bound for stream in streams for bound in clip_rows(start_s, end_s, len(stream.features), stream.rate_hz)]
    distinct, first, inverse = np.unique(np.stack(ranges, 1), axis=0, return_index=True, return_inverse=True)
    return distinct, first, inverse.ravel()


def _scores(
    model: TextVideoModel,
    text: torch.Tensor,
    streams: Sequence[Stream],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    block: int,
) -> NDArray[np.float32]:
    """Score of each caption with each window ``[captions, windows]``; 0 where a window has no row."""
    parts = [np.empty((len(text), 0), np.float32)]
    for first in range(0, len(start_s), block):
        some = slice(first, first + block)
        video, _ = model.encode_clips(streams, start_s[some], end_s[some])
        parts.append((text @ torch.from_numpy(video).T).numpy())
    return np.concatenate(parts, 1)

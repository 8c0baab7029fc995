"""The cheapest frame of each step of a task in a video, by dynamic programming (CrossTask, arXiv 1903.08225).

See ``ml.crosstask.evaluation`` for the costs and ``ml.metrics.localization`` for the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

VIDEOS = 64
"""Videos that are solved at a time; they have similar lengths."""


def align_steps(costs: Sequence[NDArray[np.floating]]) -> list[NDArray[np.int64]]:
    """Assign each step to one frame, in order and to distinct frames, at the least total cost; background is free.

    With ``M[t, k]`` the least cost of the first k steps in the first t frames,
    ``M[t, k] = min(M[t−1, k], M[t−1, k−1] + C[t, k])``. Of two equal values the former is used, so that frame t is
    background, except in the last frame of the video. The published code resolves ties in the same way.

    Args:
        costs: ``C[frames, steps]`` of each video.

    Returns:
        ``frame[steps]`` of each video, ascending.

    Raises:
        ValueError: a video has fewer frames than steps, no step, or a cost that is not a finite number.
    """
    for video, cost in enumerate(costs):
        frames, steps = cost.shape
        if not 1 <= steps <= frames:
            raise ValueError(
                f"video {video}: {steps} steps in {frames} frames; need at least one step, and one frame per step"
            )
        if not np.isfinite(cost).all():
            raise ValueError(f"video {video}: a cost is not a finite number")
    placed: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(costs)
    by_length = np.argsort([len(cost) for cost in costs], kind="stable")
    for first in range(0, len(costs), VIDEOS):
        some = by_length[first : first + VIDEOS]
        for video, found in zip(some, _align([costs[video] for video in some]), strict=True):
            placed[video] = found
    return placed


def _align(costs: Sequence[NDArray[np.floating]]) -> list[NDArray[np.int64]]:
    frames, steps = (np.array(sizes) for sizes in zip(*(cost.shape for cost in costs), strict=True))
    padded = np.full((frames.max(), len(costs), steps.max()), np.inf)
    for video, cost in enumerate(costs):
        padded[: len(cost), video, : cost.shape[1]] = cost
    least = np.full((len(costs), steps.max() + 1), np.inf)  # M[t − 1, k] of each video
    least[:, 0] = 0
    placed_here = np.empty(padded.shape, bool)  # [t, video, k]: M[t, k] is reached by step k in frame t
    videos = np.arange(len(costs))
    for t, cost_of_frame in enumerate(padded):
        with_step = least[:, :-1] + cost_of_frame
        placed_here[t] = with_step < least[:, 1:]
        ending = videos[frames == t + 1]
        last = steps[ending] - 1
        placed_here[t, ending, last] = with_step[ending, last] <= least[ending, last + 1]
        np.minimum(with_step, least[:, 1:], out=least[:, 1:])
    return _trace_back(placed_here, frames, steps)


def _trace_back(
    placed_here: NDArray[np.bool_], frames: NDArray[np.int64], steps: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    videos = np.arange(len(frames))
    found = np.zeros((len(frames), placed_here.shape[2]), np.int64)
    left = steps.copy()
    for t in range(len(placed_here) - 1, -1, -1):
        step = left - 1
        placed = placed_here[t, videos, step] & (step >= 0) & (t < frames)
        found[videos[placed], step[placed]] = t
        left -= placed
    return [found[video, : steps[video]] for video in videos]


def uniform_steps(frames: int, steps: int) -> NDArray[np.int64]:
    """The middles of equal parts of the video: ``round(T / K · (k + ½))``, a baseline that does not use the video."""
    middles = np.rint(frames / steps * (np.arange(steps) + 0.5)).astype(np.int64)
    return np.minimum(middles, frames - 1)

"""A video as input of HERO, without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Subtitle(NamedTuple):
    """Tokens that are shown from ``start_s`` to ``end_s``, seconds of the video."""

    start_s: float
    end_s: float
    tokens: Sequence[int]


@dataclass(frozen=True)
class Video:
    """A video with one row of features per ``interval_s`` seconds, ``features[frames, dim]``."""

    video_id: str
    features: NDArray[np.floating]
    interval_s: float
    subtitles: Sequence[Subtitle]


def excerpt(video: Video, start_s: float, end_s: float, video_id: str) -> Video:
    """The part of a video from ``start_s`` to ``end_s`` as a video of its own; its times begin with its first frame.

    Raises:
        ValueError: the video has no frame in that interval.
    """
    first, end = int(start_s // video.interval_s), math.ceil(end_s / video.interval_s)
    features = video.features[first:end]
    if not len(features):
        raise ValueError(f"video {video.video_id}: no frame from {start_s} s to {end_s} s")
    began_s = first * video.interval_s
    subtitles = [
        Subtitle(max(each.start_s, began_s) - began_s, min(each.end_s, end_s) - began_s, each.tokens)
        for each in video.subtitles
        if each.end_s > began_s and each.start_s < end_s
    ]
    return Video(video_id, features, video.interval_s, subtitles)

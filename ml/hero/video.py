"""A video as HERO takes it, free of torch."""

from __future__ import annotations

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
    """A video as it comes: one row of features every ``interval_s``, ``features[frames, dim]``."""

    video_id: str
    features: NDArray[np.floating]
    interval_s: float
    subtitles: Sequence[Subtitle]

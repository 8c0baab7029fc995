"""Frame features of synthetic videos, computed from their ground truth without rendering a picture.

They replace decoding and a network in ablations that need many videos in little time. They say nothing about real
networks.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from assets.outcomes import SourceError
from assets.sources.synthetic.source import SyntheticSource

NOISE = 0.5
"""Standard deviation of what is added to each number; a word that is seen has numbers of standard deviation 1."""


def frame_features(
    source: SyntheticSource, video_id: str, interval_s: float, dim: int = 64, backdrop: float = 0.0
) -> NDArray[np.float16]:
    """A row every ``interval_s``: the sum of fixed vectors of shape, colour, texture and action on screen, and noise.

    Where the host talks to the camera there is noise alone. With ``backdrop``, that many times a vector of the video's
    task is in every row.
    """
    number = source.world.video_number(video_id)
    if number is None:
        raise SourceError(f"{video_id}: no such synthetic video")
    video = source.world.video(number)
    rows = NOISE * _generator(f"noise {source.world.seed} {video_id}").normal(
        size=(int(video.duration_s / interval_s), dim)
    )
    if backdrop:
        rows += backdrop * _vector(f"backdrop {video.task.task_id}", dim)
    for frame, row in enumerate(rows):
        step = video.scene_at((frame + 0.5) * interval_s).step
        if step is not None:
            thing = step.thing
            row += sum(_vector(word, dim) for word in (thing.shape, thing.colour, thing.texture, f"to {step.action}"))
    return rows.astype(np.float16)


@cache
def _vector(word: str, dim: int) -> NDArray[np.float64]:
    return _generator(word).normal(size=dim)


def _generator(key: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big"))

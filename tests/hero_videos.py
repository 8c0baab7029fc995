"""Small random videos with subtitles for tests of HERO, and the configuration of a small model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ml.hero.batch import Subtitle, Video, Vocabulary
from ml.hero.config import HeroConfig

DIM, INTERVAL_S = 12, 1.5
VOCABULARY = Vocabulary(mask=39, first=4, last=38)
TINY = HeroConfig(
    vocabulary=40,
    frame_dim=DIM,
    hidden=16,
    heads=2,
    cross_modal_layers=1,
    temporal_layers=1,
    max_frames=20,
    max_text=8,
    dropout=0.0,
)


@dataclass(frozen=True)
class Videos:
    """Videos in memory, as pre-training data."""

    videos: Sequence[Video]
    identity: str = "random videos"

    def __len__(self) -> int:
        return len(self.videos)

    def __iter__(self) -> Iterator[Video]:
        return iter(self.videos)

    def take(self, numbers: Sequence[int], /) -> list[Video]:
        return [self.videos[number] for number in numbers]


def random_video(seed: int) -> Video:
    """5 to 15 random frames; subtitles of up to 8 random tokens, with gaps between them."""
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(5, 16))
    subtitles, start = [], 0.0
    while start < frames * INTERVAL_S:
        end = start + float(rng.uniform(1, 5))
        subtitles.append(Subtitle(start, end, tuple(rng.integers(4, 39, rng.integers(1, 9)).tolist())))
        start = end + float(rng.uniform(0, 3))
    return Video(f"video-{seed}", rng.normal(size=(frames, DIM)).astype(np.float32), INTERVAL_S, subtitles)


def random_videos(count: int, first_seed: int = 0) -> Videos:
    """``count`` random videos with consecutive seeds."""
    return Videos([random_video(first_seed + number) for number in range(count)])

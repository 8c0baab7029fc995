"""Clip–caption pairs of a video, and how a batch draws them (HowTo100M section 4; its published training code).

Belongs here: growing short captions, which pairs can be learned from, drawing. Where videos come from is up to a
``PairSource``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.joint_embedding.clip_vectors import clip_vectors
from ml.text.word_vectors import MAX_WORDS, pad


@dataclass(frozen=True)
class Stream:
    """Feature rows of a video by one network: ``features[rows, dim]`` and rows per second."""

    features: NDArray[np.floating]
    rate_hz: float


@dataclass(frozen=True)
class VideoPairs:
    """The pairs of one video that can be learned from.

    ``start_s``, ``end_s``: seconds ``[pairs]``; ``words``: word ids ``[pairs, max_words]``, 0 where there is none.
    """

    streams: tuple[Stream, ...]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    words: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start_s)

    def vectors(self, picks: NDArray[np.int64]) -> NDArray[np.float32]:
        """Clip vectors ``[picks, dim of all streams]`` of some pairs, the streams side by side."""
        return _pooled(self.streams, self.start_s[picks], self.end_s[picks])[0]


class PairSource(Protocol):
    """Videos with their pairs, by position."""

    def __len__(self) -> int:
        """Number of videos."""
        ...

    def read(self, videos: Sequence[int]) -> list[VideoPairs]:
        """The pairs of some videos, in their order."""
        ...


class InMemory:
    """A source that holds all videos; those without a pair are left out."""

    def __init__(self, videos: Sequence[VideoPairs]) -> None:
        self.videos = [video for video in videos if len(video)]

    def __len__(self) -> int:
        return len(self.videos)

    def read(self, videos: Sequence[int]) -> list[VideoPairs]:
        return [self.videos[index] for index in videos]


def video_pairs(
    streams: Sequence[Stream],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    words: Sequence[Sequence[int]],
    min_time_s: float = 5.0,
    min_words: int = 0,
    max_words: int = MAX_WORDS,
) -> VideoPairs:
    """The pairs of a video: each caption line grown to ``min_time_s`` seconds and ``min_words`` words by neighbours.

    A pair is left out if no row of some stream lies in its clip, or if its caption has no known word: the published
    code trains on such pairs with vectors of zeros.

    Args:
        streams: the feature rows.
        start_s, end_s: seconds of each line, in the order of time.
        words: known word ids of each line.
        min_time_s, min_words: sizes below which a line is grown.
        max_words: words of a caption that count.
    """
    counts = [len(line) for line in words]
    grown = [grow(line, start_s, end_s, counts, min_time_s, min_words) for line in range(len(counts))]
    starts = np.array([start_s[min(lines)] for lines in grown], np.float64)
    ends = np.array([end_s[max(lines)] for lines in grown], np.float64)
    ids = pad([[word for line in lines for word in words[line]] for lines in grown], max_words)
    usable = ~_pooled(streams, starts, ends)[1] & (ids != 0).any(1)
    return VideoPairs(tuple(streams), starts[usable], ends[usable], ids[usable])


def grow(
    line: int,
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    counts: Sequence[int],
    min_time_s: float,
    min_words: int,
) -> list[int]:
    """Lines that a caption is made of, in the order in which their words are joined.

    While it is too short in time or words, the neighbour is added that makes the shorter span, the previous one if
    both are equal; with ``min_time_s = 0`` the one that makes fewer words. At an end of the video there is only one.
    """
    lines, first, last = [line], line, line
    while sum(counts[each] for each in lines) < min_words or end_s[last] - start_s[first] < min_time_s:
        before, after = first - 1, last + 1
        if before < 0 and after == len(counts):
            break
        if before < 0 or after == len(counts):
            take_before = before >= 0
        elif min_time_s > 0:
            take_before = bool(end_s[last] - start_s[before] <= end_s[after] - start_s[first])
        else:
            take_before = counts[before] <= counts[after]
        first, last = (before, last) if take_before else (first, after)
        lines.append(before if take_before else after)
    return lines


def sample_pairs(
    videos: Sequence[VideoPairs], pairs_per_video: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """K pairs of each of B videos, drawn uniformly with replacement.

    Returns:
        Clip vectors ``[B·K, dim]``, word ids ``[B·K, max_words]``, and the video of each pair ``[B·K]``.
    """
    picks = [rng.integers(len(video), size=pairs_per_video) for video in videos]
    vectors = np.concatenate([video.vectors(own) for video, own in zip(videos, picks, strict=True)])
    words = np.concatenate([video.words[own] for video, own in zip(videos, picks, strict=True)])
    return vectors, words, np.arange(len(videos)).repeat(pairs_per_video)


def spread_pairs(source: PairSource, most: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Clip vectors and word ids of about ``most`` pairs, spread evenly over the videos and within each."""
    share = -(-most // len(source))
    clips, words = [], []
    for index in range(len(source)):
        (video,) = source.read([index])
        picks = np.unique(np.linspace(0, len(video) - 1, share).round().astype(np.int64))
        clips.append(video.vectors(picks))
        words.append(video.words[picks])
    return np.concatenate(clips), np.concatenate(words)


def _pooled(
    streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    pooled = [clip_vectors(stream.features, start_s, end_s, stream.rate_hz) for stream in streams]
    return np.concatenate([vectors for vectors, _ in pooled], 1), np.any([empty for _, empty in pooled], 0)

"""Clip–caption pairs for training the joint embedding (HowTo100M section 4; its published training code).

See ``ml.joint_embedding.pair_store`` for pairs on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.joint_embedding.clip_vectors import clip_vectors
from ml.text.tokens import tokenize
from ml.text.word_vectors import WordVectors, pad


@dataclass(frozen=True)
class Stream:
    """Feature rows of a video by one network: ``features[rows, dim]`` and rows per second."""

    features: NDArray[np.floating]
    rate_hz: float


@dataclass(frozen=True)
class VideoPairs:
    """The pairs of one video, in the order of time.

    ``start_s``, ``end_s`` ``[pairs]`` seconds; ``captions``: words joined by blanks; ``vectors[pairs, dim]`` float16,
    the streams concatenated. ``without_rows`` and ``without_words`` count the lines that were left out: those without
    a feature row in their clip, and those without a word. The published code trains on both with vectors of zeros.
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    captions: list[str]
    vectors: NDArray[np.float16]
    without_rows: int
    without_words: int


def video_pairs(
    streams: Sequence[Stream],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    captions: Sequence[str],
    min_time_s: float = 5.0,
    min_words: int = 0,
) -> VideoPairs:
    """The pairs of a video: caption lines, extended by neighbours to ``min_time_s`` seconds and ``min_words`` words.

    Args:
        streams: the feature rows.
        start_s, end_s: seconds of each line, in the order of time.
        captions: text of each line.
        min_time_s, min_words: sizes below which a line is extended.
    """
    counts = [len(tokenize(caption)) for caption in captions]
    grown = [grow(line, start_s, end_s, counts, min_time_s, min_words) for line in range(len(counts))]
    starts = np.array([start_s[min(lines)] for lines in grown], np.float64)
    ends = np.array([end_s[max(lines)] for lines in grown], np.float64)
    texts = [" ".join(filter(None, (captions[line] for line in lines))) for lines in grown]
    worded = np.array([any(counts[line] for line in lines) for lines in grown], bool)
    pooled = [clip_vectors(stream.features, starts, ends, stream.rate_hz) for stream in streams]
    empty = np.any([empty for _, empty in pooled], 0)
    usable = worded & ~empty
    return VideoPairs(
        starts[usable],
        ends[usable],
        [text for text, kept in zip(texts, usable, strict=True) if kept],
        np.concatenate([vectors[usable] for vectors, _ in pooled], 1).astype(np.float16),
        int(empty.sum()),
        int((~worded & ~empty).sum()),
    )


def grow(
    line: int,
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    counts: Sequence[int],
    min_time_s: float,
    min_words: int,
) -> list[int]:
    """The lines of a caption, in the order in which their words are joined.

    While the caption is too short in time or words, the neighbour is added that gives the shorter span, the previous
    one if both are equal; with ``min_time_s = 0`` the one that gives fewer words. At the ends of the video there is
    only one.
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


class PairSource(Protocol):
    """Pairs by number; those of a video are consecutive and in order of time.

    ``offsets[videos + 1]``: number of the first pair of each video; every video has at least one. ``dim``: numbers of a
    clip vector. ``identity`` changes with the content.
    """

    offsets: NDArray[np.int64]
    dim: int
    identity: str

    def __len__(self) -> int:
        """Number of videos."""
        ...

    def take(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Clip vectors ``[n, dim]`` and word ids ``[n, max_words]`` of some pairs, in their order."""
        ...


class InMemoryPairs:
    """Pairs in memory; pairs without a known word are dropped, and so are videos without another pair."""

    def __init__(self, videos: Sequence[tuple[NDArray[np.floating], Sequence[str]]], words: WordVectors) -> None:
        ids = [pad(words.ids(captions)) for _, captions in videos]
        known = [own.any(1) for own in ids]
        counts = [int(each.sum()) for each in known if each.any()]
        self.offsets = np.cumsum([0, *counts])
        self.dim = videos[0][0].shape[1] if videos else 0
        self.vectors = np.concatenate(
            [np.empty((0, self.dim)), *(v[k] for (v, _), k in zip(videos, known, strict=True))]
        )
        self.ids = np.concatenate([pad([]), *(own[k] for own, k in zip(ids, known, strict=True))])
        self.identity = hashlib.sha256(self.vectors.tobytes() + self.ids.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        return self.vectors[pairs], self.ids[pairs]


def nearest_captions(
    pairs: NDArray[np.int64], first: NDArray[np.int64], stop: NDArray[np.int64], candidates: int
) -> NDArray[np.int64]:
    """The pair itself and its neighbours in time, ``[n, candidates]``: the bag of positives of MIL-NCE.

    Near an end of the video the window is shifted inwards; a video with fewer pairs repeats its last one.

    Args:
        pairs: numbers of pairs; first, stop: the first pair of each pair's video, and the one after its last.
    """
    start = np.clip(pairs - (candidates - 1) // 2, first, np.maximum(stop - candidates, first))
    return np.minimum(start[:, None] + np.arange(candidates), stop[:, None] - 1)


def spread_pairs(source: PairSource, most: int) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Clip vectors and word ids of about ``most`` pairs, spread evenly over the videos and within each."""
    share = -(-most // max(len(source), 1))
    picks = [
        np.unique(np.linspace(first, stop - 1, share).round().astype(np.int64))
        for first, stop in zip(source.offsets[:-1], source.offsets[1:], strict=True)
    ]
    return source.take(np.concatenate([np.empty(0, np.int64), *picks]))

"""Which videos show the same pictures as others, by what describes the picture of each of their seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.frames.options import VisualDuplicateOptions
from ml.shots.hashes import CENTRE_80, CENTRE_90, EDGES, LOWER, MIRROR, UPPER, WHOLE
from ml.shots.pairs import Pairs, near_hashes, near_vectors

COMPARED = {
    (WHOLE, WHOLE): "whole pictures",
    (CENTRE_80, CENTRE_80): "the centres of both",
    (UPPER, UPPER): "the upper parts of both",
    (LOWER, LOWER): "the lower parts of both",
    (WHOLE, CENTRE_90): "its whole pictures and the other's centres",
    (WHOLE, CENTRE_80): "its whole pictures and the other's centres",
    (CENTRE_90, WHOLE): "its centres and the other's whole pictures",
    (CENTRE_80, WHOLE): "its centres and the other's whole pictures",
    (EDGES, EDGES): "the edges in both",
}
"""Hashes of the copy and of the original that are compared, and what they are of in words.

The upper parts do not see a subtitle, the lower ones no banner, the centres no logo. A cropped copy shows the centres.
"""
SAMPLE = 300
"""Most seconds of a video by which chance is estimated."""


@dataclass(frozen=True)
class Seconds:
    """Seconds of several videos: the number of the video, the second, and what describes its picture.

    Originals have smaller numbers than their copies. Rows are sorted by video and second. ``described`` are hashes
    ``[n]`` (uint64) or unit vectors ``[n, dim]``.
    """

    videos: NDArray[np.int64]
    seconds: NDArray[np.int64]
    described: NDArray[Any]

    def rows(self, video: int) -> Seconds:
        """The seconds of one video."""
        own = slice(*np.searchsorted(self.videos, [video, video + 1]))
        return Seconds(self.videos[own], self.seconds[own], self.described[own])

    def at(self, places: Any) -> Seconds:
        """Some of the seconds."""
        return Seconds(self.videos[places], self.seconds[places], self.described[places])


Hashes = Mapping[str, Seconds]
"""Hashes of the same videos, by the columns of ``frame_statistics``."""

Near = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.bool_]]
"""Whether pictures are near by what describes them; the two arrays are broadcast."""


@dataclass(frozen=True)
class _Comparison:
    """Seconds of copies and of originals, some pairs of near ones, and of how many seconds of a video they are."""

    later: Seconds
    earlier: Seconds
    pairs: Pairs
    near: Near
    lengths: NDArray[np.int64]
    found_by: str
    words: str
    mirrored: bool


@dataclass(frozen=True)
class Match:
    """A video that shows the same as one with a smaller number.

    ``share`` is that of matching seconds of the shorter video, beyond chance; ``of_copy`` is whether that is the copy.
    ``shift_s`` is by how many seconds the copy is late.
    """

    later: int
    earlier: int
    share: float
    of_copy: bool
    shift_s: int
    found_by: str
    words: str
    mirrored: bool

    def reason(self, original: str) -> str:
        """What was found, in words."""
        pictures = "mirrored pictures" if self.mirrored else "pictures"
        return f"{self.share:.0%} of its {pictures} are those of {original}, by {self.words}"


def copies_by_hashes(later: Hashes, earlier: Hashes, options: VisualDuplicateOptions) -> Iterator[Match]:
    """Videos of ``later`` that show the same as a video of ``earlier``, which may be the same videos or others."""
    near, videos = _near_by_bits(options), _count([*later.values(), *earlier.values()])
    for (of_later, of_earlier), words in COMPARED.items():
        # A part may be plain where the picture is not: what counts is how much of the video a match can explain.
        whole = EDGES if of_later == EDGES else WHOLE
        lengths = _lengths(later[whole], earlier[whole], videos)
        own, its = later[of_later], earlier[of_earlier]
        for mirrored in (False, True):
            described = its.described ^ np.uint64(MIRROR if mirrored else 0)
            pairs = near_hashes(own.described, described, options.bits)
            originals = Seconds(its.videos, its.seconds, described)
            by = f"hashes of {words}"
            yield from _matches(_Comparison(own, originals, pairs, near, lengths, "hashes", by, mirrored), options)


def copies_by_vectors(vectors: Seconds, options: VisualDuplicateOptions) -> Iterator[Match]:
    """Videos that show the same as one with a smaller number, by unit vectors of their seconds."""

    def near(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.einsum("...d,...d->...", one, other) >= options.cosine

    earlier, later = near_vectors(vectors.described, options.cosine)
    lengths = _lengths(vectors, vectors, _count([vectors]))
    yield from _matches(
        _Comparison(vectors, vectors, (later, earlier), near, lengths, "vectors", "vectors", False), options
    )


def different_pictures(hashes: Hashes, video: int, options: VisualDuplicateOptions) -> int:
    """How many different pictures of a video can match, by the hash that has most of them.

    Counting ends at ``options.pictures``.
    """
    near = _near_by_bits(options)
    return max(_different(each.rows(video).described, near, options.pictures) for each in hashes.values())


def _near_by_bits(options: VisualDuplicateOptions) -> Near:
    def near(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return np.bitwise_count(one ^ other) <= options.bits

    return near


def _lengths(later: Seconds, earlier: Seconds, videos: int) -> NDArray[np.int64]:
    """Seconds of each of ``videos`` videos, by its number."""
    return np.maximum(np.bincount(later.videos, minlength=videos), np.bincount(earlier.videos, minlength=videos))


def _count(parts: Iterable[Seconds]) -> int:
    """The largest number of a video, and one."""
    return max((int(each.videos[-1]) + 1 for each in parts if len(each.videos)), default=0)


def _matches(each: _Comparison, options: VisualDuplicateOptions) -> Iterator[Match]:
    """Pairs of videos of which enough seconds match at one shift.

    Two near pairs of seconds at a shift make a candidate, of which all seconds are compared.
    """
    for later, earlier, shift_s in _candidates(each):
        own, its = each.later.rows(later), each.earlier.rows(earlier)
        matched = _matched(own, its, shift_s, each.near)
        if _different(own.described[matched], each.near, options.pictures) < options.pictures:
            continue
        lengths = each.lengths[later], each.lengths[earlier]
        shorter, of_copy = min(lengths), bool(lengths[0] <= lengths[1])
        share, chance = min(1.0, float(matched.sum() / max(shorter, 1))), _chance(own, its, shift_s, each.near)
        beyond = (share - chance) / (1 - chance) if chance < 1 else 0.0
        if beyond >= options.threshold:
            yield Match(later, earlier, beyond, of_copy, shift_s, each.found_by, each.words, each.mirrored)


def _candidates(each: _Comparison) -> Iterator[tuple[int, int, int]]:
    """Pairs of videos, the one with the larger number first, with the shift at which most of their seconds are near."""
    one, other = each.pairs
    shift = each.later.seconds[one] - each.earlier.seconds[other]
    pairs = pl.DataFrame({"later": each.later.videos[one], "earlier": each.earlier.videos[other], "shift": shift})
    counted = pairs.filter(pl.col("later") > pl.col("earlier")).group_by("later", "earlier", "shift").len()
    candidates = counted.filter(pl.col("len") >= 2).sort("len", "shift", descending=[True, False])
    best = candidates.unique(["later", "earlier"], keep="first", maintain_order=True).sort("later", "earlier")
    yield from best.select("later", "earlier", "shift").iter_rows()


def _matched(own: Seconds, its: Seconds, shift_s: int, near: Near) -> NDArray[np.bool_]:
    """Which seconds of ``own[n]`` are near to theirs of ``its``.

    The pictures of two files are not at the same fractions of a second, so that neighbouring shifts count as well.
    """
    matched = np.zeros(len(own.seconds), bool)
    for step in (-1, 0, 1):
        wanted = own.seconds - shift_s + step
        places = np.minimum(np.searchsorted(its.seconds, wanted), len(its.seconds) - 1)
        matched |= (its.seconds[places] == wanted) & near(own.described, its.described[places])
    return matched


def _different(described: NDArray[Any], near: Near, enough: int) -> int:
    """How many pictures that are not near to each other are among those described; at most ``enough``."""
    kept: list[int] = []
    for row in range(len(described)):
        if len(kept) < enough and not near(described[kept], described[row]).any():
            kept.append(row)
    return len(kept)


def _chance(own: Seconds, its: Seconds, shift_s: int, near: Near) -> float:
    """Share of the seconds that would match at other shifts: all of them in a video that shows one still picture."""
    own, its = (each.at(np.unique(np.linspace(0, len(each.seconds) - 1, SAMPLE).astype(int))) for each in (own, its))
    elsewhere = np.abs(own.seconds[:, None] - its.seconds - shift_s) > 1
    if not elsewhere.any():
        return 0.0
    share = near(own.described[:, None], its.described[None])[elsewhere].mean()
    return float(1 - (1 - share) ** 3)  # at each shift, three seconds are compared

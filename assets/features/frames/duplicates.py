"""Videos that show the same pictures, by perceptual hashes and by vectors of the feature network.

See ``assets/videos/duplicates`` for videos that say the same, which is known before any file is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.frames.options import VisualDuplicateOptions
from assets.features.reader import FeatureReader
from assets.lake import load_tables
from ml.shots.hashes import CENTRE_80, CENTRE_90, EDGES, LOWER, MIRROR, PARTS, UPPER, WHOLE
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
"""Hashes of the worse-ranked and of the better-ranked video that are compared, and what they are of in words.

The upper parts do not see a subtitle, the lower ones no banner, the centres no logo. A cropped copy shows the centres.
"""
SAMPLE = 300
"""Most seconds of a video by which chance is estimated."""


@dataclass(frozen=True)
class Seconds:
    """Seconds of several videos: the number of the video by rank, the second, and what describes its picture.

    Rows are sorted by video and second. ``described`` are hashes ``[n]`` (uint64) or unit vectors ``[n, dim]``.
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


Near = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.bool_]]
"""Whether pictures are near by what describes them; the two arrays are broadcast."""


@dataclass(frozen=True)
class _Comparison:
    """Seconds of re-uploads and of originals, some pairs of near ones, and of how many seconds of a video they are."""

    later: Seconds
    earlier: Seconds
    pairs: Pairs
    near: Near
    lengths: NDArray[np.int64]
    found_by: str
    words: str
    mirrored: bool


@dataclass(frozen=True)
class _Match:
    later: int
    earlier: int
    share: float
    shift_s: int
    how: _Comparison


def visual_duplicates(
    ranked: pl.DataFrame, hashes: Mapping[str, Seconds], vectors: Seconds | None, options: VisualDuplicateOptions
) -> pl.DataFrame:
    """The columns of ``visual_duplicates``: each video with the better-ranked one that shows the same.

    Args:
        ranked: video_id by rank; the numbers of ``Seconds`` are its rows.
        hashes: hashes of the videos' seconds, by their names in ``COMPARED``.
        vectors: vectors of their seconds; None if there are none.
    """
    ids = ranked["video_id"].to_list()
    found = [
        match
        for comparison in _comparisons(hashes, vectors, options, len(ids))
        for match in _matches(comparison, options)
    ]
    originals: dict[int, int] = {}
    rows = []
    # By rank, so that no duplicate points to another duplicate; of several originals the most similar one.
    for match in sorted(found, key=lambda each: (each.later, -each.share, each.earlier)):
        if match.later in originals or match.earlier in originals:
            continue
        originals[match.later] = match.earlier
        one, other, how = ids[match.later], ids[match.earlier], match.how
        pictures = "mirrored pictures" if how.mirrored else "pictures"
        reason = f"{match.share:.0%} of its {pictures} are those of {other}, by {how.words}"
        rows.append(
            (one, other, how.found_by, match.share, options.threshold, how.mirrored, float(match.shift_s), reason)
        )
    return load_tables()["visual_duplicates"].frame(sorted(rows))


def _comparisons(
    hashes: Mapping[str, Seconds], vectors: Seconds | None, options: VisualDuplicateOptions, videos: int
) -> Iterator[_Comparison]:
    def near_bits(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return np.bitwise_count(one ^ other) <= options.bits

    def near_directions(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.einsum("...d,...d->...", one, other) >= options.cosine

    for (of_later, of_earlier), words in COMPARED.items():
        # A part may be plain where the picture is not: what counts is how much of the video a match can explain.
        lengths = np.bincount(hashes[EDGES if of_later == EDGES else WHOLE].videos, minlength=videos)
        later, whole = hashes[of_later], hashes[of_earlier]
        for mirrored in (False, True):
            described = whole.described ^ np.uint64(MIRROR if mirrored else 0)
            pairs = near_hashes(later.described, described, options.bits)
            earlier = Seconds(whole.videos, whole.seconds, described)
            by = f"hashes of {words}"
            yield _Comparison(later, earlier, pairs, near_bits, lengths, "hashes", by, mirrored)
    if vectors is not None:
        one, other = near_vectors(vectors.described, options.cosine)
        lengths = np.bincount(vectors.videos, minlength=videos)
        yield _Comparison(vectors, vectors, (other, one), near_directions, lengths, "vectors", "vectors", False)


def _matches(each: _Comparison, options: VisualDuplicateOptions) -> Iterator[_Match]:
    """Pairs of videos of which enough seconds match at one shift.

    Two near pairs of seconds at a shift make a candidate, of which all seconds are compared.
    """
    for later, earlier, shift_s in _candidates(each):
        own, its = each.later.rows(later), each.earlier.rows(earlier)
        matched = _matched(own, its, shift_s, each.near)
        if _different(own.described[matched], each.near, options.pictures) < options.pictures:
            continue
        shorter = min(each.lengths[later], each.lengths[earlier])
        share, chance = min(1.0, float(matched.sum() / max(shorter, 1))), _chance(own, its, shift_s, each.near)
        beyond = (share - chance) / (1 - chance) if chance < 1 else 0.0
        if beyond >= options.threshold:
            yield _Match(later, earlier, beyond, shift_s, each)


def _candidates(each: _Comparison) -> Iterator[tuple[int, int, int]]:
    """Pairs of videos, the worse-ranked one first, with the shift at which most of their seconds are near."""
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


def hashes_of(ranked: pl.DataFrame, statistics: pl.LazyFrame) -> dict[str, Seconds]:
    """The hashes of the seconds that have them, by the columns of ``frame_statistics``, from rows of that table."""
    names = [*PARTS, EDGES]
    numbered = ranked.with_row_index("video").lazy()
    rows = (
        statistics.join(numbered, on="video_id")
        .select(pl.col("video").cast(pl.Int64), "second", pl.col(names).cast(pl.UInt64))
        .sort("video", "second")
        .collect()
    )
    parts = {name: rows.filter(pl.col(name).is_not_null()) for name in names}
    return {
        name: Seconds(part["video"].to_numpy(), part["second"].to_numpy(), part[name].to_numpy())
        for name, part in parts.items()
    }


def vectors_of(ranked: pl.DataFrame, features: FeatureReader) -> Seconds | None:
    """The feature rows of the videos less their mean, one per second and of unit length; None if there are none."""
    known = set(features.video_ids)
    videos, seconds, parts = [], [], []
    for number, video_id in enumerate(ranked["video_id"]):
        found = features.read(video_id) if video_id in known else None
        if found is None:
            continue
        whole, places = np.unique(found[0].times.astype(np.int64), return_index=True)
        videos.append(np.full(len(whole), number))
        seconds.append(whole)
        parts.append(found[0].vectors[places].astype(np.float32))
    if not parts:
        return None
    vectors = np.concatenate(parts)
    vectors -= vectors.mean(0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return Seconds(np.concatenate(videos), np.concatenate(seconds), vectors)

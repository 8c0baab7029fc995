"""Videos that show the same pictures, by perceptual hashes and by vectors of the feature network.

See ``assets/videos/duplicates`` for videos that say the same, which is known before any file is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.frames.options import VisualDuplicateOptions
from assets.features.reader import FeatureReader
from assets.lake import load_tables
from ml.shots.hashes import MIRROR
from ml.shots.pairs import near_hashes, near_vectors


@dataclass(frozen=True)
class Seconds:
    """Seconds of several videos: the number of the video by rank, the second, and what describes its picture.

    Rows are sorted by video and second. ``described`` are hashes ``[n]`` (uint64) or unit vectors ``[n, dim]``.
    """

    videos: NDArray[np.int64]
    seconds: NDArray[np.int64]
    described: NDArray[Any]


def visual_duplicates(
    ranked: pl.DataFrame, hashes: Seconds, vectors: Seconds | None, options: VisualDuplicateOptions
) -> pl.DataFrame:
    """The columns of ``visual_duplicates``: each video with the best-ranked one that shows the same.

    Args:
        ranked: video_id by rank; the numbers of ``Seconds`` are its rows.
        hashes: hashes of the videos' seconds.
        vectors: vectors of their seconds; None if there are none.
    """
    ids = ranked["video_id"].to_list()
    found = [*_matches(hashes, "hashes", options, len(ids))]
    if vectors is not None:
        found += _matches(vectors, "vectors", options, len(ids))
    originals: dict[int, int] = {}
    rows = []
    # By rank, so that no duplicate points to another duplicate.
    for later, earlier, found_by, share, mirrored, shift in sorted(
        found, key=lambda each: (each[0], each[1], -each[3])
    ):
        if later in originals or earlier in originals:
            continue
        originals[later] = earlier
        how = "mirrored pictures" if mirrored else "pictures"
        reason = f"{share:.0%} of its {how} are those of {ids[earlier]}, by {found_by}"
        rows.append((ids[later], ids[earlier], found_by, share, options.threshold, mirrored, float(shift), reason))
    return load_tables()["visual_duplicates"].frame(sorted(rows))


_Match = tuple[int, int, str, float, bool, int]


def _matches(given: Seconds, found_by: str, options: VisualDuplicateOptions, videos: int) -> Iterator[_Match]:
    lengths = np.bincount(given.videos, minlength=videos)
    if found_by == "vectors":
        other, one = near_vectors(given.described, options.cosine)

        def near_of(i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
            return np.einsum("nd,nd->n", given.described[i], given.described[j]) >= options.cosine

        yield from (
            (later, earlier, found_by, share, False, shift)
            for later, earlier, share, shift in _aligned(given, one, other, near_of, lengths, options)
        )
        return
    for mirrored in (False, True):
        turned = given.described ^ np.uint64(MIRROR if mirrored else 0)
        one, other = near_hashes(given.described, turned, options.bits)

        def near(i: NDArray[np.int64], j: NDArray[np.int64], turned: NDArray[np.uint64] = turned) -> NDArray[np.bool_]:
            return np.bitwise_count(given.described[i] ^ turned[j]) <= options.bits

        yield from (
            (later, earlier, found_by, share, mirrored, shift)
            for later, earlier, share, shift in _aligned(given, one, other, near, lengths, options)
        )


Near = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]


def _aligned(
    given: Seconds,
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    near: Near,
    lengths: NDArray[np.int64],
    options: VisualDuplicateOptions,
) -> Iterator[tuple[int, int, float, int]]:
    """Pairs of videos of which enough seconds match at one shift: later, earlier, share and shift in seconds.

    ``one`` and ``other`` are some of the pairs of near rows. Two of them at a shift make a candidate, of which all
    seconds are compared.
    """
    shift = given.seconds[one] - given.seconds[other]
    pairs = pl.DataFrame({"later": given.videos[one], "earlier": given.videos[other], "shift": shift})
    counted = pairs.filter(pl.col("later") > pl.col("earlier")).group_by("later", "earlier", "shift").len()
    # The pictures of two files are not at the same fractions of a second, so that neighbouring shifts count as well.
    candidates = counted.filter(pl.col("len") >= 2).sort("len", "shift", descending=[True, False])
    best = candidates.unique(["later", "earlier"], keep="first", maintain_order=True).sort("later", "earlier")
    first = np.searchsorted(given.videos, np.arange(len(lengths) + 1))
    for later, earlier, shift_s, _ in best.iter_rows():
        own, its = (np.arange(first[video], first[video + 1]) for video in (later, earlier))
        matched = np.zeros(len(own), bool)
        for step in (-1, 0, 1):
            places = np.searchsorted(given.seconds[its], given.seconds[own] - shift_s + step)
            places = np.minimum(places, len(its) - 1)
            there = given.seconds[its][places] == given.seconds[own] - shift_s + step
            matched |= there & near(own, its[places])
        shorter = min(lengths[later], lengths[earlier])
        share = min(1.0, float(matched.sum() / shorter))
        if matched.sum() >= min(options.min_seconds, shorter) and share >= options.threshold:
            yield int(later), int(earlier), share, int(shift_s)


def hashes_of(ranked: pl.DataFrame, statistics: pl.LazyFrame) -> Seconds:
    """The hashes of the seconds that have one, from rows of ``frame_statistics``."""
    numbered = ranked.with_row_index("video").lazy()
    rows = (
        statistics.filter(pl.col("picture_hash").is_not_null())
        .join(numbered, on="video_id")
        .select(pl.col("video").cast(pl.Int64), "second", pl.col("picture_hash").cast(pl.UInt64))
        .sort("video", "second")
        .collect()
    )
    return Seconds(rows["video"].to_numpy(), rows["second"].to_numpy(), rows["picture_hash"].to_numpy())


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

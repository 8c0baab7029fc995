"""Clip-caption pairs of a shard's videos, from clips and feature arrays to pair arrays. Imports torch.

See ``ml.joint_embedding.pairs`` for how captions grow and clips are pooled, ``ml.joint_embedding.pair_store`` for the
arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.reader import FeatureReader
from assets.lake import load_tables
from ml.joint_embedding.pair_store import PairStore, Place
from ml.joint_embedding.pairs import Stream, VideoPairs

PairsOf = Callable[[Sequence[Stream], NDArray[np.float64], NDArray[np.float64], list[str]], VideoPairs]
"""Makes the pairs of a video from its feature rows, and from the start, end (seconds) and text of each caption line."""


@dataclass(frozen=True)
class _Outcome:
    lines: int
    pairs: VideoPairs
    reason: str | None


def write_shard(
    clips: pl.DataFrame, features: FeatureReader, store: PairStore, shard: str, pairs_of: PairsOf
) -> pl.DataFrame:
    """Write the pair array of one shard, videos sorted by id (rows of ``pair_index``).

    A video is left out, with its reason, if a stream has no rows of it, if its features are not finite, or if none of
    its clips has both features and a word.

    Args:
        clips: the shard's rows of the table ``clips``.
        features: reader of the shard's features; the vectors of its streams are concatenated.
        pairs_of: makes pairs of a video's caption lines (``assets.joint_embedding.alignment.pairs_by``).
    """
    outcomes: dict[str, _Outcome] = {}

    def videos() -> Iterator[tuple[str, VideoPairs]]:
        for (video_id,), lines in sorted(clips.partition_by("video_id", as_dict=True).items()):
            outcome = _video(str(video_id), lines.sort("clip_index"), features, pairs_of)
            outcomes[str(video_id)] = outcome
            yield str(video_id), outcome.pairs

    # A shard without videos has an array of no rows, which needs a width.
    places = store.write(shard, videos(), features.dim or 1)
    return load_tables()["pair_index"].frame(_row(place, outcomes[place.video_id]) for place in places)


def places(manifest: pl.DataFrame, split: str) -> list[Place]:
    """Where the pairs of a split's videos are stored, from rows of ``training_manifest``."""
    rows = manifest.filter(pl.col("split") == split)
    return [Place(*row) for row in rows.select("video_id", "shard", "first_row", "pairs", "pairs_version").iter_rows()]


def video_streams(features: FeatureReader, video_id: str) -> list[Stream] | None:
    """The feature rows of a video in each stream; None if some stream has none."""
    found = features.read(video_id)
    return None if found is None else [Stream(rows.vectors, rows.rate_hz) for rows in found]


def _video(video_id: str, lines: pl.DataFrame, features: FeatureReader, pairs_of: PairsOf) -> _Outcome:
    no_pairs = VideoPairs(np.empty(0), np.empty(0), [], np.empty((0, 0), np.float16), 0, 0)
    streams = video_streams(features, video_id)
    if streams is None:
        return _Outcome(len(lines), no_pairs, f"no features by {features.missing_stream(video_id)}")
    if not all(np.isfinite(stream.features).all() for stream in streams):
        return _Outcome(len(lines), no_pairs, "its features are not finite numbers")
    start_s, end_s = lines["start_s"].to_numpy(), lines["end_s"].to_numpy()
    pairs = pairs_of(streams, start_s, end_s, lines["caption_clean"].to_list())
    reason = None if pairs.captions else "no clip has both features and a word"
    return _Outcome(len(lines), pairs, reason)


def _row(place: Place, outcome: _Outcome) -> tuple[object, ...]:
    pairs = outcome.pairs
    counts = (place.pairs, outcome.lines, pairs.without_rows, pairs.without_words)
    return (place.shard, place.video_id, place.first_row, *counts, place.content_hash, outcome.reason)

"""Clip–caption pairs of a shard's videos, from clips and feature arrays to pair arrays.

Belongs here: joining the tables with the feature arrays, and what keeps a video out. How captions are grown and clips
pooled is ``ml.joint_embedding.pairs``; how pairs lie on disk is ``ml.joint_embedding.pair_store``. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.store import FeatureStore
from assets.lake import load_tables
from ml.joint_embedding.pair_store import PairStore, Place
from ml.joint_embedding.pairs import Stream, VideoPairs

PairsOf = Callable[[Sequence[Stream], NDArray[np.float64], NDArray[np.float64], list[str]], VideoPairs]
"""Pairs of a video from its feature rows, and from the start, the end (seconds) and the text of each caption line."""


@dataclass(frozen=True)
class _Outcome:
    lines: int
    pairs: VideoPairs
    reason: str | None


def write_shard(
    clips: pl.DataFrame,
    feature_index: pl.DataFrame,
    features: FeatureStore,
    streams: Sequence[str],
    store: PairStore,
    shard: str,
    pairs_of: PairsOf,
) -> pl.DataFrame:
    """Write the pair array of one shard, videos by id (rows of ``pair_index``).

    A video is left out with its reason if some stream has no rows of it, if its features are not finite numbers, or if
    none of its clips can be learned from.

    Args:
        clips, feature_index: the shard's rows of these tables.
        streams: networks whose vectors stand side by side.
        pairs_of: how a video's caption lines become pairs (``assets.joint_embedding.alignment.pairs_by``).
    """
    outcomes: dict[str, _Outcome] = {}
    dim = sum(_dimensions(feature_index, streams)) or 1  # a shard without videos has an array, of no rows

    def videos() -> Iterator[tuple[str, VideoPairs]]:
        for (video_id,), lines in sorted(clips.partition_by("video_id", as_dict=True).items()):
            outcome = _video(str(video_id), lines.sort("clip_index"), feature_index, features, streams, shard, pairs_of)
            outcomes[str(video_id)] = outcome
            yield str(video_id), outcome.pairs

    places = store.write(shard, videos(), dim)
    return load_tables()["pair_index"].frame(_row(place, outcomes[place.video_id]) for place in places)


def places(manifest: pl.DataFrame, split: str) -> list[Place]:
    """Where the pairs of a split's videos are, from rows of ``training_manifest``."""
    rows = manifest.filter(pl.col("split") == split)
    return [Place(*row) for row in rows.select("video_id", "shard", "first_row", "pairs", "pairs_version").iter_rows()]


def _dimensions(feature_index: pl.DataFrame, streams: Sequence[str]) -> list[int]:
    found = {stream: feature_index.filter(pl.col("stream") == stream)["dim"] for stream in streams}
    return [int(dims[0]) for dims in found.values() if len(dims)]


def _video(
    video_id: str,
    lines: pl.DataFrame,
    feature_index: pl.DataFrame,
    features: FeatureStore,
    streams: Sequence[str],
    shard: str,
    pairs_of: PairsOf,
) -> _Outcome:
    nothing = VideoPairs(np.empty(0), np.empty(0), [], np.empty((0, 0), np.float16), 0, 0)
    found = []
    for stream in streams:
        row = feature_index.filter(pl.col("video_id") == video_id, pl.col("stream") == stream, pl.col("rows") > 0)
        if row.is_empty():
            return _Outcome(len(lines), nothing, f"no features by {stream}")
        first_row, count, rate_hz = row.select("first_row", "rows", "rate_hz").row(0)
        found.append(Stream(features.array(stream, shard).rows(first_row, count)[1], rate_hz))
    start_s, end_s = lines["start_s"].to_numpy(), lines["end_s"].to_numpy()
    if not all(np.isfinite(stream.features).all() for stream in found):
        return _Outcome(len(lines), nothing, "its features are not finite numbers")
    pairs = pairs_of(found, start_s, end_s, lines["caption_clean"].to_list())
    reason = None if pairs.captions else "no clip has both features and a word"
    return _Outcome(len(lines), pairs, reason)


def _row(place: Place, outcome: _Outcome) -> tuple[object, ...]:
    pairs = outcome.pairs
    counts = (place.pairs, outcome.lines, pairs.without_rows, pairs.without_words)
    return (place.shard, place.video_id, place.first_row, *counts, place.content_hash, outcome.reason)

"""Cutting videos into HERO's clips: one frame per interval, and the captions that begin in each clip.

See ``ml.hero.clip_store`` for the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.reader import FeatureReader, StreamRows
from assets.hero.options import HeroClipOptions
from assets.lake import load_tables
from assets.splits import SplitOptions, splits_of_videos
from ml.hero.clip_store import Clip, ClipPlace, ClipStore
from ml.hero.data.subtitles import Line


@dataclass(frozen=True)
class Cut:
    """A clip, and its start and end in its video in seconds."""

    clip: Clip
    start_s: float
    end_s: float


def write_shard(
    clips: pl.DataFrame,
    features: FeatureReader,
    store: ClipStore,
    shard: str,
    options: HeroClipOptions,
) -> pl.DataFrame:
    """Write the clip array of one shard, videos sorted by id (rows of ``hero_clips``).

    Args:
        clips: the shard's rows of the table ``clips``.
        features: reader of the shard's features; the vectors of its streams are concatenated.
    """
    rows: list[tuple[object, ...]] = []

    def cuts() -> Iterator[Clip]:
        for (video_id,), lines in sorted(clips.partition_by("video_id", as_dict=True).items()):
            spoken = [Line(*line) for line in lines.sort("start_s").select("start_s", "end_s", "caption").iter_rows()]
            found = features.read(str(video_id))
            if found is None:
                reason = f"no features by {features.missing_stream(str(video_id))}"
                rows.append((shard, f"{video_id}.0", video_id, 0.0, 0.0, 0, len(spoken), None, None, reason))
                continue
            for cut in cut_video(str(video_id), found, spoken, options):
                counts = (len(cut.clip.features), len(cut.clip.lines))
                rows.append((shard, cut.clip.clip_id, video_id, cut.start_s, cut.end_s, *counts, None, None, None))
                yield cut.clip

    placed = {place.clip_id: place for place in store.write(shard, cuts())}
    return load_tables()["hero_clips"].frame(_placed(row, placed.get(str(row[1]))) for row in rows)


def cut_video(
    video_id: str,
    streams: Sequence[StreamRows],
    lines: Sequence[Line],
    options: HeroClipOptions,
) -> Iterator[Cut]:
    """The clips of a video; the last one may be shorter. A line belongs to the clip that it begins in.

    Args:
        lines: the caption lines, with times in seconds of the video.
    """
    frames = pooled_frames(streams, options.interval_s)
    per_clip = max(1, round(options.clip_s / options.interval_s))
    for number, first in enumerate(range(0, len(frames), per_clip)):
        own = frames[first : first + per_clip]
        start_s, end_s = first * options.interval_s, (first + len(own)) * options.interval_s
        begun = [
            Line(line.start_s - start_s, line.end_s - start_s, line.text)
            for line in lines
            if start_s <= line.start_s < end_s
        ]
        yield Cut(Clip(f"{video_id}.{number}", own, options.interval_s, begun), start_s, end_s)


def pooled_frames(streams: Sequence[StreamRows], interval_s: float) -> NDArray[np.float16]:
    """``frames[intervals, dim]``: for each interval the mean of each stream's rows in it, streams concatenated.

    An interval without a row in a stream takes that stream's nearest row. All streams are cut to the shortest.
    """
    parts = [_pooled(stream.times, stream.vectors, interval_s) for stream in streams]
    shortest = min(map(len, parts))
    return np.concatenate([part[:shortest] for part in parts], axis=1)


def _pooled(times: NDArray[np.float64], vectors: NDArray[np.float16], interval_s: float) -> NDArray[np.float16]:
    cells = (times / interval_s).astype(np.int64)
    count = int(cells[-1]) + 1
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, cells, vectors.astype(np.float32))
    rows = np.bincount(cells, minlength=count)
    empty = np.flatnonzero(rows == 0)
    nearest = np.abs(times[None] - (empty[:, None] + 0.5) * interval_s).argmin(1)
    sums[empty], rows[empty] = vectors[nearest], 1
    return (sums / rows[:, None]).astype(np.float16)


def _placed(row: tuple[object, ...], place: ClipPlace | None) -> tuple[object, ...]:
    return row if place is None else (*row[:7], place.row, place.content_hash, row[9])


def manifest(hero_clips: duckdb.DuckDBPyRelation, options: SplitOptions) -> pl.DataFrame:
    """One row per clip (columns of ``hero_manifest``); a clip has the split of its video."""
    columns = "clip_id, video_id, shard, array_row, content_hash"
    rows = hero_clips.filter("frames > 0").project(columns).pl().sort("clip_id")
    splits = splits_of_videos(rows["video_id"], options)
    split = rows["video_id"].replace_strict(splits, return_dtype=pl.String).alias("split")
    return rows.with_columns(split).select("clip_id", "video_id", "shard", "split", "array_row", "content_hash")


def places(manifest: pl.DataFrame, split: str) -> list[ClipPlace]:
    """Where the clips of a split are stored, from rows of ``hero_manifest``."""
    rows = manifest.filter(pl.col("split") == split).select("clip_id", "shard", "array_row", "content_hash")
    return [ClipPlace(*row) for row in rows.iter_rows()]

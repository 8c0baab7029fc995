"""Cutting videos into HERO's clips: one frame per interval, and the captions that begin in each clip.

See ``ml.hero.clip_store`` for the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    borders: Mapping[str, Sequence[float]] | None = None,
) -> pl.DataFrame:
    """Write the clip array of one shard, videos sorted by id (rows of ``hero_clips``).

    Args:
        clips: the shard's rows of the table ``clips``.
        features: reader of the shard's features; the vectors of its streams are concatenated.
        borders: changes of shot of each video, at which its clips end where possible.
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
            of_video = (borders or {}).get(str(video_id), ())
            for cut in cut_video(str(video_id), found, spoken, options, of_video):
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
    borders: Sequence[float] = (),
) -> Iterator[Cut]:
    """The clips of a video; the last one may be shorter. A line belongs to the clip that it begins in.

    Args:
        lines: the caption lines, with times in seconds of the video.
        borders: changes of shot. A clip ends at the last of them in its second half; a longer shot is divided.
    """
    spans = list(_spans(max(float(stream.times[-1]) for stream in streams), options, borders))
    starts = [_frame_starts(start_s, end_s, options.interval_s) for start_s, end_s in spans]
    frames = _pooled_frames(streams, np.concatenate([*starts, [spans[-1][1]]]))
    for number, ((start_s, end_s), own_starts) in enumerate(zip(spans, starts, strict=True)):
        own, frames = frames[: len(own_starts)], frames[len(own_starts) :]
        if not len(own):
            return
        if len(own) < len(own_starts):
            end_s = start_s + len(own) * options.interval_s
        begun = [
            Line(line.start_s - start_s, line.end_s - start_s, line.text)
            for line in lines
            if start_s <= line.start_s < end_s
        ]
        yield Cut(Clip(f"{video_id}.{number}", own, options.interval_s, begun), start_s, end_s)


def _spans(last_s: float, options: HeroClipOptions, borders: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Start and end of the clips of a video whose last row is at ``last_s``."""
    length_s = max(1, round(options.clip_s / options.interval_s)) * options.interval_s
    start_s = 0.0
    while start_s <= last_s:
        end_s = start_s + length_s
        end_s = max((each for each in borders if start_s + length_s / 2 <= each <= end_s), default=end_s)
        yield start_s, end_s
        start_s = end_s


def _frame_starts(start_s: float, end_s: float, interval_s: float) -> NDArray[np.float64]:
    """The frames of a clip; the last one takes what is left, half an interval to one and a half."""
    count = max(1, round((end_s - start_s) / interval_s))
    return start_s + interval_s * np.arange(count, dtype=np.float64)


def pooled_frames(streams: Sequence[StreamRows], interval_s: float) -> NDArray[np.float16]:
    """``frames[intervals, dim]``: for each interval the mean of each stream's rows in it, streams concatenated.

    An interval without a row in a stream takes that stream's nearest row. All streams are cut to the shortest.
    """
    last_s = max(float(stream.times[-1]) for stream in streams)
    return _pooled_frames(streams, interval_s * np.arange(int(last_s / interval_s) + 2, dtype=np.float64))


def _pooled_frames(streams: Sequence[StreamRows], edges: NDArray[np.float64]) -> NDArray[np.float16]:
    """The same for the intervals between neighbouring ``edges[intervals + 1]``, the last of which is after all rows."""
    parts = [_pooled(stream.times, stream.vectors, edges) for stream in streams]
    shortest = min(map(len, parts))
    return np.concatenate([part[:shortest] for part in parts], axis=1)


def _pooled(
    times: NDArray[np.float64], vectors: NDArray[np.float16], edges: NDArray[np.float64]
) -> NDArray[np.float16]:
    cells = np.searchsorted(edges, times, side="right") - 1
    count = int(cells[-1]) + 1
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, cells, vectors.astype(np.float32))
    rows = np.bincount(cells, minlength=count)
    empty = np.flatnonzero(rows == 0)
    middles = (edges[empty] + edges[empty + 1]) / 2
    nearest = np.abs(times[None] - middles[:, None]).argmin(1)
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


def places(clips: pl.DataFrame) -> list[ClipPlace]:
    """Where clips are stored, from rows of ``hero_clips`` or ``hero_manifest``."""
    return [ClipPlace(*row) for row in clips.select("clip_id", "shard", "array_row", "content_hash").iter_rows()]

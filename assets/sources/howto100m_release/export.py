"""Writing the lake's data in the published forms of HowTo100M, and a whole snapshot of it as a release.

A file appears whole or not at all; nothing larger than one shard is in memory.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TextIO

import polars as pl

from assets.lake import Lake
from assets.lake.snapshot import Snapshot
from ml.files import whole_file
from ml.text.tokens import clean

VIDEO_LIST = "HowTo100M_v1.csv"
TASK_LIST = "task_ids.csv"
RAW_CAPTIONS = "raw_caption.json"
CAPTIONS = "caption.json"
CAPTION_ZIP = "howto100m_captions.zip"

VIDEO_COLUMNS = ("video_id", "category_1", "category_2", "rank", "task_id")

Track = tuple[str, list[float], list[float], list[str]]
"""A video's id, and the starts, ends (seconds) and texts of its lines."""


class ExportError(Exception):
    """The published form cannot hold what was to be written; the message names it."""


def write_videos(videos: pl.DataFrame, path: Path) -> None:
    """``HowTo100M_v1.csv``: one row per video, an unknown second category left empty."""
    with whole_file(path) as new, _opened(new) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(VIDEO_COLUMNS)
        writer.writerows(videos.select(VIDEO_COLUMNS).iter_rows())


def write_tasks(tasks: pl.DataFrame, path: Path) -> None:
    """``task_ids.csv``: task id and title with a tab between, no header.

    Raises:
        ExportError: an id or a title holds a tab or a line break.
    """
    with whole_file(path) as new, _opened(new) as file:
        for task_id, title in tasks.select("task_id", "title").iter_rows():
            if len(f"{task_id}\t{title}".split("\t")) != 2 or len(f"{task_id}{title}x".splitlines()) != 1:
                raise ExportError(f"{path.name}: task {task_id!r}: a tab or line break in {title!r}")
            file.write(f"{task_id}\t{title}\n")


def write_caption_json(tracks: Iterable[Track], path: Path) -> int:
    """``caption.json`` or ``raw_caption.json``: for each video an object of parallel lists. How many videos it has."""
    count = 0
    with whole_file(path) as new, _opened(new) as file:
        file.write("{")
        for video_id, start, end, text in tracks:
            lists = json.dumps({"start": start, "end": end, "text": text}, allow_nan=False)
            file.write(f"{', ' if count else ''}{json.dumps(video_id)}: {lists}")
            count += 1
        file.write("}")
    return count


def write_caption_zip(tracks: Iterable[Track], path: Path) -> int:
    """MIL-NCE's zip: a csv ``start,end,text`` for each video. How many videos it holds."""
    count = 0
    with whole_file(path) as new, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for video_id, start, end, text in tracks:
            table = io.StringIO(newline="")
            csv.writer(table).writerows([("start", "end", "text"), *zip(start, end, text, strict=True)])
            archive.writestr(f"{video_id}.csv", table.getvalue())
            count += 1
    return count


def tracks_of(lines: pl.DataFrame) -> Iterator[Track]:
    """The tracks of a frame of lines: video_id, start_s, end_s, text; those of one video are consecutive."""
    first = 0
    columns = lines.select("start_s", "end_s", "text")
    for length, video_id in lines["video_id"].rle().struct.unnest().select("len", "value").iter_rows():
        track = columns.slice(first, length)
        yield video_id, track["start_s"].to_list(), track["end_s"].to_list(), track["text"].to_list()
        first += length


def export_release(
    lake: Lake, folder: Path, snapshot: int | None = None, lines: Literal["clips", "captions"] = "clips"
) -> dict[str, int]:
    """Write a snapshot of the lake as the release's files.

    Args:
        snapshot: the lake's snapshot; by default the newest.
        lines: ``clips`` (what models are trained on: lines that follow each other) or ``captions`` (as the source shows
            them, windows that overlap).

    Returns:
        How many rows or videos each file holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    at = Snapshot(lake, snapshot)
    videos = at.sql(f"SELECT {', '.join(VIDEO_COLUMNS)} FROM {{videos}} WHERE kept ORDER BY video_id")
    tasks = at.sql("SELECT task_id, title FROM {tasks} WHERE kept ORDER BY task_id")
    write_videos(videos, folder / VIDEO_LIST)
    write_tasks(tasks, folder / TASK_LIST)
    raw, stop_worded = _texts(lines)
    return {
        VIDEO_LIST: videos.height,
        TASK_LIST: tasks.height,
        RAW_CAPTIONS: write_caption_json(_tracks(at, lines, raw), folder / RAW_CAPTIONS),
        CAPTIONS: write_caption_json(_tracks(at, lines, stop_worded), folder / CAPTIONS),
        CAPTION_ZIP: write_caption_zip(_tracks(at, lines, stop_worded), folder / CAPTION_ZIP),
    }


def export_rewritten(lake: Lake, path: Path, snapshot: int | None = None) -> int:
    """Write the rewritten captions that are kept as parallel lists by video id. Returns the number of videos.

    Raises:
        ExportError: no narration was rewritten in the lake.
    """
    at = Snapshot(lake, snapshot)
    if not at.has("rewritten_clips"):
        raise ExportError("the lake has no rewritten captions: set HOWTO_REWRITING_URL and make rewritten_clips")
    query = (
        "SELECT video_id, start_s, end_s, text FROM {rewritten_clips} WHERE kept AND shard = $shard"
        " ORDER BY video_id, start_s, line_index"
    )
    shards = at.sql("SELECT DISTINCT shard FROM {rewritten_clips} ORDER BY shard")["shard"]
    return write_caption_json((track for shard in shards for track in tracks_of(at.sql(query, shard=shard))), path)


def _texts(table: str) -> tuple[pl.Expr, pl.Expr]:
    """The text of a line as it was said, and without stop words."""
    if table == "clips":
        return pl.col("caption"), pl.col("caption_clean")
    return pl.col("text"), pl.col("text").map_elements(clean, return_dtype=pl.String)


def _tracks(at: Snapshot, table: str, text: pl.Expr) -> Iterator[Track]:
    """The tracks of the data set's videos, read shard by shard."""
    index = "clip_index" if table == "clips" else "line_index"
    for (shard,) in at.sql(f"SELECT DISTINCT shard FROM {{{table}}} ORDER BY shard").iter_rows():
        query = (
            f"SELECT * FROM {{{table}}} AS lines SEMI JOIN (FROM {{videos}} AS videos WHERE kept) USING (video_id)"
            f" WHERE shard = $shard ORDER BY video_id, {index}"
        )
        yield from tracks_of(at.sql(query, shard=shard).select("video_id", "start_s", "end_s", text=text))


def _opened(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")

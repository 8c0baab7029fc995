"""The published files of HowTo100M as a source: its list of videos is the search answer, its caption file the tracks.

Belongs here: the two lists (section A.3 of the data set's description: columns, blanks, missing headers), and answering
from them. The caption files, which hold millions of videos, are told in ``release_captions``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

import polars as pl

from assets.captions.cues import CaptionError, plain
from assets.sources.folder import SAFE_ID, VIDEO_SUFFIXES
from assets.sources.protocol import (
    Article,
    CaptionLine,
    CaptionTrack,
    Problem,
    SearchResult,
    SourceError,
    VideoMetadata,
)
from assets.sources.release_captions import Batch, find_entries, read_entries, read_zip
from assets.sources.release_export import (
    CAPTION_ZIP,
    CAPTIONS,
    RAW_CAPTIONS,
    TASK_LIST,
    VIDEO_COLUMNS,
    VIDEO_LIST,
    Track,
    write_caption_json,
)

ROWS_A_FRAME = 100_000

_HOW_TO = re.compile(r"^\s*how\s+to\s+", re.IGNORECASE)

VIDEO_LIST_SCHEMA = pl.Schema(
    {
        "video_id": pl.String(),
        "category_1": pl.String(),
        "category_2": pl.String(),
        "rank": pl.Int64(),
        "task_id": pl.String(),
    }
)


@dataclass(frozen=True)
class Lists:
    """The videos (``VIDEO_LIST_SCHEMA``, sorted by task and rank), the titles by task id, and the rows set aside."""

    videos: pl.DataFrame
    titles: dict[str, str]
    problems: list[Problem]


def read_video_list(path: Path) -> tuple[pl.DataFrame, list[Problem]]:
    """The rows of ``HowTo100M_v1.csv`` with blanks stripped, and the rows that cannot be used.

    Raises:
        SourceError: unreadable, or a column is missing.
    """
    frames, problems, rows = [VIDEO_LIST_SCHEMA.to_frame()], [], []
    with _opened(path) as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in VIDEO_COLUMNS if name not in header]
        if missing:
            raise SourceError(f"{path.name}: no column {', '.join(missing)}; its header is {','.join(header)}")
        places = [header.index(name) for name in VIDEO_COLUMNS]
        for fields in reader:
            read = _video_row([field.strip() for field in fields], places) if fields else None
            if isinstance(read, str):
                problems.append(Problem(f"{path.name}: line {reader.line_num}", read))
            elif read:
                rows.append(read)
            if len(rows) == ROWS_A_FRAME:
                frames.append(pl.DataFrame(rows, VIDEO_LIST_SCHEMA, orient="row"))
                rows = []
    videos = pl.concat([*frames, pl.DataFrame(rows, VIDEO_LIST_SCHEMA, orient="row")])
    once, repeated = _once(videos)
    problems += [
        Problem(f"{path.name}: {video_id}", f"stands again for task {task_id}, at rank {rank}: the best rank counts")
        for video_id, task_id, rank in repeated.select("video_id", "task_id", "rank").iter_rows()
    ]
    return once, problems


def _video_row(fields: list[str], places: list[int]) -> tuple[str, str, str | None, int, str] | str:
    """A row's values, or why it cannot be used."""
    if len(fields) <= max(places):
        return f"{len(fields)} fields: {','.join(fields)}"
    video_id, category_1, category_2, rank, task_id = (fields[place] for place in places)
    if not SAFE_ID.fullmatch(video_id):
        return f"{video_id!r} is no video id"
    if not rank.isdecimal() or int(rank) < 1:
        return f"{video_id}: rank is {rank!r}, not a number from 1"
    if not task_id or not category_1:
        return f"{video_id}: no {'task_id' if category_1 else 'category_1'}"
    return video_id, category_1, None if category_2 in ("", "nan", "NaN") else category_2, int(rank), task_id


def _once(videos: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows sorted by task and rank, split into the first of each video and task, and the others."""
    ordered = videos.sort("task_id", "rank", "video_id")
    is_first = ordered.select(pl.struct("task_id", "video_id").is_first_distinct()).to_series()
    return ordered.filter(is_first), ordered.filter(~is_first)


def read_task_list(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Titles by task id from ``task_ids.csv``: two columns with a tab between, with a header or without.

    Raises:
        SourceError: unreadable.
    """
    titles: dict[str, str] = {}
    problems = []
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            fields = [field.strip() for field in line.rstrip("\r\n").split("\t")]
            where = f"{path.name}: line {number}"
            if fields == [""] or (number == 1 and fields[0].lower() in ("id", "task_id")):
                continue
            if len(fields) != 2 or not all(fields):
                problems.append(Problem(where, f"not a task id and a title with a tab between: {line.strip()}"))
            elif fields[0] in titles:
                problems.append(Problem(where, f"task {fields[0]} again; its first title counts"))
            else:
                titles[fields[0]] = fields[1]
    return titles, problems


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path.name}: {error}") from error


class CaptionFile:
    """The caption file of a release, with an index beside the lake of where each video stands in it.

    The index, and for a zip also its content as one file of the JSON form, are made once for each state of the file.
    """

    def __init__(self, path: Path, cache: Path) -> None:
        self.path = path
        self.cache = cache

    @cached_property
    def entries(self) -> pl.DataFrame:
        """Where each video stands, sorted by id; an id that stands twice counts where it stands first.

        Raises:
            SourceError: the file is not of a published form.
        """
        index = self.cache / f"{self._key}.parquet"
        if not index.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            try:
                entries = find_entries(self._json).sort("video_id", "start")
            except CaptionError as error:
                raise SourceError(str(error)) from error
            unfinished = index.with_name(f"{index.name}.{os.getpid()}.part")
            entries.write_parquet(unfinished)
            unfinished.replace(index)
        return pl.read_parquet(index)

    def problems(self) -> list[Problem]:
        """Ids that stand more than once, and what could not be read of a zip."""
        again = self.entries.filter(pl.col("video_id").is_first_distinct().not_())
        problems = [
            Problem(f"{self.path.name}: {video_id}", f"stands again, at byte {start:,}: its first entry counts")
            for video_id, start in again.select("video_id", "start").iter_rows()
        ]
        wrong = json.loads(self._unpacking_problems.read_text()) if self.path.suffix == ".zip" else []
        return problems + [Problem(f"{self.path.name}: {video_id}", problem) for video_id, problem in wrong]

    def read(self, video_ids: pl.Series) -> Iterator[Batch]:
        """The lines of some videos in batches, in the order of the file."""
        wanted = self.entries.unique("video_id", keep="first").filter(pl.col("video_id").is_in(video_ids.implode()))
        yield from read_entries(self._json, wanted.sort("start"))

    def track(self, video_id: str) -> CaptionTrack:
        """The track of one video; the release does not say of which kind it is."""
        first = self.entries["video_id"].search_sorted(video_id, side="left")
        entry = self.entries.slice(first, 1)
        if entry.is_empty() or entry["video_id"][0] != video_id:
            return CaptionTrack("no_captions", error=f"not in {self.path.name}")
        (batch,) = read_entries(self._json, entry)
        wrong = batch.problems["problem"]
        error = f"{self.path.name}: {wrong.len()} entries set aside, as {wrong[0]}" if wrong.len() else None
        rows = batch.lines.select("start_s", "end_s", "text").iter_rows()
        lines = tuple(CaptionLine(start_s, end_s, plain(text)) for start_s, end_s, text in rows)
        return CaptionTrack("ok", None, "en", lines, error=error) if lines else CaptionTrack("failed", error=error)

    @property
    def _key(self) -> str:
        state = self.path.stat()
        name = (str(self.path.absolute()), state.st_size, state.st_mtime_ns)
        return f"{self.path.stem}-{hashlib.sha256(repr(name).encode()).hexdigest()[:16]}"

    @property
    def _unpacking_problems(self) -> Path:
        return self.cache / f"{self._key}.problems.json"

    @cached_property
    def _json(self) -> Path:
        """The file in the JSON form; a zip is brought into it first."""
        if self.path.suffix != ".zip":
            return self.path
        unpacked = self.cache / f"{self._key}.json"
        if not unpacked.exists():
            wrong: list[tuple[str, str]] = []
            write_caption_json(self._unpack(wrong), unpacked)
            self._unpacking_problems.write_text(json.dumps(wrong))
        return unpacked

    def _unpack(self, wrong: list[tuple[str, str]]) -> Iterator[Track]:
        for video_id, rows, problems in read_zip(self.path):
            wrong.extend((video_id, problem) for problem in problems)
            if rows:
                _, start, end, text = map(list, zip(*rows, strict=True))
                yield video_id, start, end, text


class HowTo100MRelease:
    """A folder with ``HowTo100M_v1.csv``, ``task_ids.csv`` and a caption file.

    Of several caption files the raw one is read, else the stop-worded one, else MIL-NCE's zip. Videos, where there are
    any, lie in its folder ``videos`` as ``<id>.<ext>``.

    Args:
        cache: folder for the index of the caption file.

    Raises:
        SourceError: a file is missing.
    """

    name = "howto100m_release"

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = Path(folder).absolute()
        for name in (VIDEO_LIST, TASK_LIST):
            if not (self.folder / name).is_file():
                raise SourceError(f"{self.folder / name}: missing; HOWTO_RELEASE must hold the released files")
        files = [path for name in (RAW_CAPTIONS, CAPTIONS, CAPTION_ZIP) if (path := self.folder / name).is_file()]
        if not files:
            raise SourceError(f"{self.folder}: none of {RAW_CAPTIONS}, {CAPTIONS} and {CAPTION_ZIP}")
        self.caption_file = CaptionFile(files[0], cache)

    def version(self) -> str:
        """Hash of the files' names, sizes and modification times."""
        files = [self.folder / VIDEO_LIST, self.folder / TASK_LIST, self.caption_file.path]
        state = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        videos = sorted(path.name for path in (self.folder / "videos").glob("*"))
        return hashlib.sha256(repr((state, videos)).encode()).hexdigest()[:16]

    def articles(self) -> Iterator[Article]:
        """The tasks of the list, under the categories of their videos; a task without videos has none."""
        of_task = self._lists.videos.unique("task_id", keep="first", maintain_order=True)
        categories = {
            task_id: tuple(name for name in names if name)
            for task_id, *names in of_task.select("task_id", "category_1", "category_2").iter_rows()
        }
        for task_id, title in self._lists.titles.items():
            yield Article(task_id, title, None, categories.get(task_id, ()))

    def search(self, query: str, limit: int) -> list[SearchResult]:
        """The videos of the task with that title, with the ranks of the release; the release tells no titles."""
        title = _HOW_TO.sub("", query).strip().lower()
        rows = pl.concat([self._videos_of(task_id) for task_id in self._tasks.get(title, ())] or [_NO_VIDEOS])
        return [
            SearchResult(video_id, title=video_id, channel=None, duration_s=None, view_count=None, rank=rank)
            for video_id, rank in rows.sort("rank", "video_id").head(limit).iter_rows()
        ]

    def metadata(self, video_id: str) -> VideoMetadata:
        """The release tells nothing but ids."""
        return VideoMetadata("ok")

    def captions(self, video_id: str) -> CaptionTrack:
        return self.caption_file.track(video_id)

    def media(self, video_id: str, folder: Path) -> Path:
        """The file where it lies in ``videos``; nothing is copied."""
        for suffix in sorted(VIDEO_SUFFIXES):
            path = self.folder / "videos" / f"{video_id}{suffix}"
            if path.is_file():
                return path
        raise SourceError(f"{video_id}: no file in {self.folder / 'videos'}; the release itself holds no videos")

    def problems(self) -> list[Problem]:
        """Rows of the lists that cannot be used, and entries of the caption file that no row names."""
        known = self._lists.videos["video_id"].unique().implode()
        unknown = self.caption_file.entries["video_id"].unique(maintain_order=True)
        reason = f"no usable row of {VIDEO_LIST} names this video"
        name = self.caption_file.path.name
        strangers = [Problem(f"{name}: {video_id}", reason) for video_id in unknown.filter(~unknown.is_in(known))]
        return [*self._lists.problems, *self.caption_file.problems(), *strangers]

    @cached_property
    def _lists(self) -> Lists:
        videos, problems = read_video_list(self.folder / VIDEO_LIST)
        titles, wrong = read_task_list(self.folder / TASK_LIST)
        untitled = ~pl.col("task_id").is_in(list(titles))
        problems += wrong
        problems += [
            Problem(f"{VIDEO_LIST}: {video_id}", f"its task {task_id} has no title in {TASK_LIST}")
            for video_id, task_id in videos.filter(untitled).select("video_id", "task_id").iter_rows()
        ]
        return Lists(videos.filter(~untitled), titles, problems)

    @cached_property
    def _tasks(self) -> dict[str, list[str]]:
        """Task ids by title in lower case: titles are asked for, ids are not."""
        tasks: dict[str, list[str]] = {}
        for task_id, title in self._lists.titles.items():
            tasks.setdefault(_HOW_TO.sub("", title).strip().lower(), []).append(task_id)
        return tasks

    @cached_property
    def _rows_of_task(self) -> dict[str, tuple[int, int]]:
        """Where each task's videos stand in the list: first row and how many."""
        runs = self._lists.videos["task_id"].rle().struct.unnest()
        firsts = runs["len"].cum_sum() - runs["len"]
        return dict(zip(runs["value"], zip(firsts, runs["len"], strict=True), strict=True))

    def _videos_of(self, task_id: str) -> pl.DataFrame:
        return self._lists.videos.slice(*self._rows_of_task.get(task_id, (0, 0))).select("video_id", "rank")


_NO_VIDEOS = VIDEO_LIST_SCHEMA.to_frame().select("video_id", "rank")

"""The published files of HowTo100M as a source: its list of videos is the search answer, its caption file the tracks.

See ``lists`` and ``captions`` for the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from assets.captions.tracks import CaptionTrack
from assets.media.suffixes import VIDEO_SUFFIXES
from assets.outcomes import Problem, SourceError
from assets.sources.howto100m_release.export import CAPTION_ZIP, CAPTIONS, RAW_CAPTIONS, TASK_LIST, VIDEO_LIST
from assets.sources.howto100m_release.lists import VIDEO_LIST_SCHEMA, read_task_list, read_video_list
from assets.sources.howto100m_release.tracks import CaptionFile
from assets.sources.protocol import Article, SearchResult, VideoMetadata
from ml.files import content_hash

_HOW_TO = re.compile(r"^\s*how\s+to\s+", re.IGNORECASE)
_NO_VIDEOS = VIDEO_LIST_SCHEMA.to_frame().select("video_id", "rank")


@dataclass(frozen=True)
class Lists:
    """The videos (``VIDEO_LIST_SCHEMA``, sorted by task and rank), the titles by task id, and the rows set aside."""

    videos: pl.DataFrame
    titles: dict[str, str]
    problems: list[Problem]


class HowTo100MRelease:
    """A folder with ``HowTo100M_v1.csv``, ``task_ids.csv`` and a caption file.

    Of several caption files the raw one is read, else the stop-worded one, else MIL-NCE's zip. Videos, where there are
    any, are in its folder ``videos`` as ``<id>.<ext>``.

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
        return content_hash((state, videos))

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
        """The videos of the task with that title, with the ranks of the release, which has no titles of videos."""
        title = _HOW_TO.sub("", query).strip().lower()
        rows = pl.concat([self._videos_of(task_id) for task_id in self._tasks.get(title, ())] or [_NO_VIDEOS])
        return [
            SearchResult(video_id, title=video_id, channel=None, duration_s=None, view_count=None, rank=rank)
            for video_id, rank in rows.sort("rank", "video_id").head(limit).iter_rows()
        ]

    def metadata(self, video_id: str) -> VideoMetadata:
        """Nothing is known: the release has ids alone."""
        return VideoMetadata("ok")

    def captions(self, video_id: str) -> CaptionTrack:
        return self.caption_file.track(video_id)

    def caption_rows(self, video_ids: Sequence[str], shard: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The tracks of one shard's videos as rows of ``captions`` and ``caption_fetches``."""
        return self.caption_file.rows(video_ids, shard)

    def media(self, video_id: str, folder: Path) -> Path:
        """The file where it is in ``videos``; nothing is copied."""
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
        """Task ids by title in lower case: queries have titles, not ids."""
        tasks: dict[str, list[str]] = {}
        for task_id, title in self._lists.titles.items():
            tasks.setdefault(_HOW_TO.sub("", title).strip().lower(), []).append(task_id)
        return tasks

    @cached_property
    def _rows_of_task(self) -> dict[str, tuple[int, int]]:
        """Where each task's videos are in the list: first row and how many."""
        runs = self._lists.videos["task_id"].rle().struct.unnest()
        firsts = runs["len"].cum_sum() - runs["len"]
        return dict(zip(runs["value"], zip(firsts, runs["len"], strict=True), strict=True))

    def _videos_of(self, task_id: str) -> pl.DataFrame:
        return self._lists.videos.slice(*self._rows_of_task.get(task_id, (0, 0))).select("video_id", "rank")

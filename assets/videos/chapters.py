"""Chapters of videos: from the creator's list, the description or VidChapters-7M to segments with a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import polars as pl

from assets.lake import Lake, load_tables
from assets.sources.protocol import ListedChapter, VideoSource

ChapterSource = Literal["creator", "description", "vidchapters"]

LONGEST_TITLE = 300

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_TIMES = tuple(re.compile(each, re.ASCII) for each in (r"\d\d:\d\d:\d\d", r"\d:\d\d:\d\d", r"\d\d:\d\d", r"\d:\d\d"))
_NO_TIME = re.compile(r"\d{3}:|:\d{3}|\d:\d+:\d+:\d", re.ASCII)
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_PLACEHOLDER = re.compile(r"<Untitled Chapter \d+>")
"""What yt-dlp writes where a chapter has no title."""


@dataclass(frozen=True)
class Chapter:
    """A chapter ``[start_s, end_s)`` in seconds of its video, and why it is not used (None if it is)."""

    start_s: float | None
    end_s: float | None
    title: str | None
    reason: str | None = None


def verdicts(listed: Iterable[ListedChapter], duration_s: float | None) -> list[Chapter]:
    """Each listed chapter with its verdict, in the order of the list.

    A chapter ends at its own end, at the start of the next used chapter or at the end of the video, whichever is first.

    Args:
        duration_s: length of the video; None is unknown and cuts nothing.
    """
    found: list[Chapter] = []
    latest = -1.0
    for each in listed:
        title = " ".join((each.title or "").split())[:LONGEST_TITLE].strip() or None
        reason = _unusable(each.start_s, title, duration_s, latest)
        if reason is None and each.start_s is not None:
            latest = each.start_s
        found.append(Chapter(each.start_s, each.end_s, title, reason))
    following: float | None = None
    for place in reversed(range(len(found))):
        found[place] = _ended(found[place], following, duration_s)
        if found[place].reason is None:
            following = found[place].start_s
    return found


def _unusable(start_s: float | None, title: str | None, duration_s: float | None, latest: float) -> str | None:
    if start_s is None:
        return "no start"
    if title is None or _PLACEHOLDER.fullmatch(title):
        return "no title"
    if duration_s is not None and start_s >= duration_s:
        return "starts after the end of the video"
    if start_s <= latest:
        return "does not start after the chapter before it"
    return None


def _ended(chapter: Chapter, following: float | None, duration_s: float | None) -> Chapter:
    if chapter.reason is not None or chapter.start_s is None:
        return chapter
    own = chapter.end_s if chapter.end_s is not None and chapter.end_s > chapter.start_s else None
    ends = [end for end in (own, following, duration_s) if end is not None]
    return replace(chapter, end_s=min(ends)) if ends else replace(chapter, end_s=None, reason="no end")


def of_description(description: str | None, duration_s: float | None) -> list[Chapter]:
    """The chapters that lines of a description list, each with its verdict.

    The rule is that of VidChapters-7M (Yang et al. 2023, section 3; its preprocessing code): a line has a chapter if
    it has a time; the rest of the line is the title. A description lists chapters if it has at least two of them,
    their times increase, and some title is longer than a letter.
    """
    listed = [chapter for line in (description or "").splitlines() if (chapter := _of_line(line)) is not None]
    starts = [chapter.start_s or 0.0 for chapter in listed]
    reason = None
    if len(listed) < 2:
        reason = "the only time in the description"
    elif any(later <= earlier for earlier, later in pairwise(starts)):
        reason = "the times in the description do not increase"
    elif all(len(chapter.title or "") <= 1 for chapter in listed):
        reason = "no time in the description has a title"
    if reason is not None:
        return [Chapter(each.start_s, None, each.title or None, reason) for each in listed]
    return verdicts(listed, duration_s)


def _of_line(line: str) -> ListedChapter | None:
    text = _ADDRESS.sub(" ", line)
    if _NO_TIME.search(text):
        return None
    time = next((found for pattern in _TIMES if (found := pattern.search(text))), None)
    if time is None:
        return None
    *above, seconds = map(int, time[0].split(":"))
    if seconds > 59 or any(part > 59 for part in above[1:]):
        return None
    hours, minutes = above if len(above) == 2 else (0, above[0])
    title = _EDGES.sub("", text[: time.start()] + " " + text[time.end() :])
    return ListedChapter(float(3600 * hours + 60 * minutes + seconds), None, title)


def chapters_of_video(
    listed: Mapping[ChapterSource, Sequence[ListedChapter]], description: str | None, duration_s: float | None
) -> list[tuple[ChapterSource, int, Chapter]]:
    """(source, position, chapter) of every chapter that some source lists, with its verdict.

    The first source with a usable chapter is used: creator, description, VidChapters-7M.
    """
    by_source: dict[ChapterSource, list[Chapter]] = {
        "creator": verdicts(listed.get("creator", ()), duration_s),
        "description": of_description(description, duration_s),
        "vidchapters": verdicts(listed.get("vidchapters", ()), duration_s),
    }
    used = next((source for source, own in by_source.items() if any(each.reason is None for each in own)), None)
    rows = []
    for source, own in by_source.items():
        for place, chapter in enumerate(own):
            if chapter.reason is None and source != used:
                chapter = replace(chapter, reason=f"the chapters of the source {used} are used")
            rows.append((source, place, chapter))
    return rows


def find_chapters(source: VideoSource, about: pl.DataFrame, released: pl.DataFrame, shard: str) -> pl.DataFrame:
    """The rows of the table ``chapters`` of the videos of one shard.

    Args:
        source: has the metadata of the videos, without further requests.
        about: video_id, description, duration_s.
        released: video_id, start_s, end_s, text: chapters of VidChapters-7M, each video's by start.
    """
    of_release = released.partition_by("video_id", as_dict=True)
    rows = []
    for video_id, description, duration_s in about.select("video_id", "description", "duration_s").iter_rows():
        taken = of_release.get((video_id,), released.clear()).select("start_s", "end_s", "text").iter_rows()
        listed: dict[ChapterSource, Sequence[ListedChapter]] = {
            "creator": source.metadata(video_id).chapters,
            "vidchapters": [ListedChapter(*each) for each in taken],
        }
        for kind, place, each in chapters_of_video(listed, description, duration_s):
            key = (shard, video_id, kind, place)
            rows.append((*key, each.start_s, each.end_s, each.title, each.reason is None, each.reason))
    return load_tables()["chapters"].frame(rows)


def used_chapters(lake: Lake, video_ids: Sequence[str]) -> dict[str, list[Chapter]]:
    """The chapters in use of some videos, by start; none while the lake has no table ``chapters``."""
    if not lake.has("chapters"):
        return {}
    found: dict[str, list[Chapter]] = {}
    query = """
        SELECT video_id, start_s, end_s, title FROM chapters
        WHERE kept AND video_id IN (SELECT unnest($video_ids)) ORDER BY video_id, start_s
    """
    for video_id, *chapter in lake.sql(query, video_ids=list(video_ids)).fetchall():
        found.setdefault(video_id, []).append(Chapter(*chapter))
    return found


def chapter_at(chapters: Iterable[Chapter], second: float) -> Chapter | None:
    """The chapter of a video at a time, if any; see ``used_chapters``."""
    for each in chapters:
        if each.start_s is not None and each.end_s is not None and each.start_s <= second < each.end_s:
            return each
    return None

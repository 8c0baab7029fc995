"""The protocol of a source of videos, and the record types of its answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from assets.captions.tracks import CaptionTrack
from assets.outcomes import Outcome, Problem

SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
"""Ids of videos: they become names of files."""


@dataclass(frozen=True)
class Article:
    """One how-to article: the start of a task. ``categories`` has the top level first."""

    article_id: str
    title: str
    url: str | None
    categories: tuple[str, ...]


@dataclass(frozen=True)
class SearchResult:
    """One row of a search answer, best first. ``None`` means unknown, never zero; in ``found_at``, just now.

    ``rank`` is for answers of which only some rows are known; else the row's position counts.
    """

    video_id: str
    title: str
    channel: str | None
    duration_s: float | None
    view_count: int | None
    found_at: datetime | None = None
    rank: int | None = None


class SearchResults(list[SearchResult]):
    """Search results, and what of the answer is not used."""

    def __init__(self, results: Iterable[SearchResult] = (), problems: tuple[str, ...] = ()) -> None:
        super().__init__(results)
        self.problems = problems


@dataclass(frozen=True)
class ListedChapter:
    """A chapter as its creator lists it, in seconds of the video. ``None`` means unknown or unusable."""

    start_s: float | None
    end_s: float | None
    title: str | None


@dataclass(frozen=True)
class VideoMetadata(Outcome):
    """What search results do not say of a video. ``None`` means unknown; languages are codes such as ``en``.

    ``license`` is in the words of the source. ``availability`` is yt-dlp's, such as ``public`` or ``unlisted``.
    """

    title: str | None = None
    channel_id: str | None = None
    duration_s: float | None = None
    view_count: int | None = None
    license: str | None = None
    upload_date: date | None = None
    availability: str | None = None
    language: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    manual_captions: tuple[str, ...] = ()
    asr_captions: tuple[str, ...] = ()
    chapters: tuple[ListedChapter, ...] = ()


class ArticleSource(Protocol):
    """Where tasks come from."""

    name: str

    def version(self) -> str:
        """A hash that changes exactly when the answers of this source may change."""
        ...

    def articles(self) -> Iterator[Article]:
        """The how-to articles that tasks are made from."""
        ...

    def problems(self) -> list[Problem]:
        """Entries of the source that were set aside, each with its reason."""
        ...


class VideoSource(ArticleSource, Protocol):
    """Where tasks, search results, captions and video files come from."""

    def search(self, query: str, limit: int) -> list[SearchResult]:
        """The first ``limit`` results for a query, best first.

        Raises:
            SourceError: there is no answer; as ``FetchError`` it says whether asking again makes sense.
        """
        ...

    def metadata(self, video_id: str) -> VideoMetadata:
        """What search results lack of a video; a video that is gone is an answer, not an exception."""
        ...

    def captions(self, video_id: str) -> CaptionTrack:
        """The caption track of a video; a missing or broken track is an answer, not an exception."""
        ...

    def media(self, video_id: str, folder: Path) -> Path:
        """The video's file, fetched into ``folder`` if it is not local yet (whole or not at all).

        Raises:
            SourceError: the file cannot be had; as ``FetchError`` it says whether asking again makes sense.
        """
        ...

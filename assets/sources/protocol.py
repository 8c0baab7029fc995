"""What a source of videos must answer, and the shapes of its answers.

Belongs here: the protocol and its record types. Does not belong here: any source itself, Dagster, or the lake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

CaptionSource = Literal["manual", "asr", "translated"]
CaptionStatus = Literal["ok", "no_captions", "failed"]


class SourceError(Exception):
    """The source cannot give what was asked for; the message names the thing and the reason."""


@dataclass(frozen=True)
class Article:
    """One how-to article: the start of a task. ``categories`` has the top level first."""

    article_id: str
    title: str
    url: str | None
    categories: tuple[str, ...]


@dataclass(frozen=True)
class SearchResult:
    """One row of a search answer, best first. ``None`` means unknown, never zero."""

    video_id: str
    title: str
    channel: str | None
    duration_s: float | None
    view_count: int | None


@dataclass(frozen=True)
class CaptionLine:
    """One caption line as the source shows it; rolling windows of speech recognition may overlap. Seconds."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class CaptionTrack:
    """The best English caption track of a video, or why there is none."""

    status: CaptionStatus
    source: CaptionSource | None = None
    language: str | None = None
    lines: tuple[CaptionLine, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Problem:
    """Something in the source that cannot be used: ``name`` says what, ``problem`` says why."""

    name: str
    problem: str


class VideoSource(Protocol):
    """Where tasks, search results, captions and video files come from."""

    name: str

    def version(self) -> str:
        """A hash that changes exactly when the answers of this source may change."""
        ...

    def articles(self) -> Iterator[Article]:
        """The how-to articles that tasks are made from."""
        ...

    def search(self, query: str, limit: int) -> list[SearchResult]:
        """The first ``limit`` results for a query, best first."""
        ...

    def captions(self, video_id: str) -> CaptionTrack:
        """The caption track of a video; a missing or broken track is an answer, not an exception."""
        ...

    def media(self, video_id: str, folder: Path) -> Path:
        """The video's file, fetched into ``folder`` if it is not local yet (whole or not at all).

        Raises:
            SourceError: the file cannot be had.
        """
        ...

    def problems(self) -> list[Problem]:
        """Entries of the source that were set aside, each with its reason."""
        ...

"""Caption tracks: what every caption format is read into, and what the table of captions is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from assets.options import Options
from assets.outcomes import Outcome

Release = Literal[
    "htm_whisperx",
    "htm_sentences",
    "htm_aa",
    "howtocaption",
    "howtocaption_grounded",
    "howtostep",
    "vidchapters",
    "rewritten",
]
"""Follow-up releases, and captions that a lake has rewritten, by their ``caption_source``.

See ``assets.sources.followups``.
"""

WRITTEN = ("htm_aa", "howtocaption", "howtocaption_grounded", "howtostep", "vidchapters", "rewritten")
"""Releases whose captions are no running speech: each has its own part of the video, and they may overlap."""

SOURCE = "source"
"""The track of the video source itself."""

CaptionSource = Literal["manual", "asr", "translated", "whisper"] | Release


@dataclass(frozen=True)
class CaptionLine:
    """One caption line as the source shows it; rolling windows of speech recognition may overlap. Seconds.

    ``words`` are (start in seconds, word) for every word of ``text``, split at blanks; empty where words have no times.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class CaptionTrack(Outcome):
    """The best English caption track of a video, or why there is none.

    ``error`` of a good track names cues that were set aside, and better files that could not be read.
    """

    source: CaptionSource | None = None
    language: str | None = None
    lines: tuple[CaptionLine, ...] = ()
    language_probability: float | None = None


@dataclass(frozen=True)
class ClipCaptions(Options):
    """The release whose captions the clips are made from, with its file or folder; no path: those of the source."""

    counts_where_set: ClassVar = True

    release: str = SOURCE
    path: Path | None = None


class Captioned(Protocol):
    """Where captions come from."""

    def captions(self, video_id: str) -> CaptionTrack:
        """The caption track of a video; a missing or broken track is an answer, not an exception."""
        ...


class CaptionedVideos(Captioned, Protocol):
    """Where captions come from, and the files that speech recognition reads. Every video source is one."""

    def media(self, video_id: str, folder: Path) -> Path:
        """The video's file, fetched into ``folder`` if it is not local yet (see ``VideoSource.media``)."""
        ...

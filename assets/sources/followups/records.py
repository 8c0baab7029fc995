"""What every reader of a follow-up release makes of it, and the rules that hold for all of them.

A reader streams its release: it yields one ``ReleasedTrack`` at a time, and never holds the whole file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assets.captions.cues import impossible_times, plain
from assets.captions.published import wrong_entry
from assets.outcomes import Problem, SourceError
from assets.sources.protocol import SAFE_ID
from assets.values import LONGEST_TEXT, shown, storable


class ReleaseError(SourceError):
    """A follow-up release as a whole cannot be read; the message names the file and what is wrong."""


@dataclass(frozen=True)
class ReleasedLine:
    """One caption of a release. Seconds.

    ``score`` is the similarity that the release gives the caption, if it gives one; ``word_starts_s`` has one time per
    word of ``text``, split at blanks, or is None.
    """

    start_s: float
    end_s: float
    text: str
    score: float | None = None
    word_starts_s: list[float] | None = None


@dataclass
class ReleasedTrack:
    """The captions of one video, or a part of them: a release need not have the rows of a video together.

    ``problems`` are the captions that were set aside, each with its reason. ``spoken_language`` is the code of the
    language of the video's speech, where the release has it.
    """

    video_id: str
    lines: list[ReleasedLine] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    spoken_language: str | None = None


def possible_tracks(name: str, found: Iterable[ReleasedTrack | Problem]) -> Iterator[ReleasedTrack | Problem]:
    """What a reader found; a track of an id that can be no id of a video becomes a problem."""
    for each in found:
        if isinstance(each, Problem) or SAFE_ID.fullmatch(each.video_id):
            yield each
        else:
            yield Problem(f"{name}: {shown(each.video_id)}", "no id of a video; its captions are left out")


def checked_track(
    video_id: str, rows: Iterable[tuple[Any, Any, Any]], spoken_language: str | None = None
) -> ReleasedTrack:
    """The track of (start, end, text) rows of any content; a row that no line can be made of becomes a problem."""
    track = ReleasedTrack(video_id, spoken_language=spoken_language)
    for index, row in enumerate(rows):
        add_line(track, index, *row)
    if not track.lines and not track.problems:
        track.problems.append("has no lines")
    return track


def add_line(track: ReleasedTrack, index: int, start: Any, end: Any, text: Any, **more: Any) -> None:
    """Add a caption to a track, or the reason why it is none.

    Args:
        index: position of the caption in its release, for messages.
        more: other fields of ``ReleasedLine``.
    """
    reason = wrong_entry(start, end, text) or impossible_times(float(start), float(end))
    if reason is None and len(text) > LONGEST_TEXT:
        reason = f"a text of {len(text):,} characters"
    spoken = plain(text) if reason is None else ""
    if reason is None and not spoken:
        reason = "no words"
    if reason is not None:
        track.problems.append(f"line {index}: {storable(reason)}")
    else:
        track.lines.append(ReleasedLine(float(start), float(end), spoken, **more))


def score_of(value: Any) -> float | None:
    """A finite number, or None."""
    return float(value) if wrong_entry(value, value, "") is None else None

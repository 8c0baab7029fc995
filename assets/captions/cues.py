"""What every caption reader gives: lines with their times, and the cues that could not be used, each with its reason.

Belongs here: the result's shape and the rules that hold for every format. A format itself has a module of its own.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from assets.captions.tracks import CaptionLine
from assets.outcomes import Problem


class CaptionError(Exception):
    """The file as a whole cannot be read; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Captions:
    """A track as it was read: ``lines`` in the file's order, ``problems`` for the cues that are not among them."""

    lines: tuple[CaptionLine, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Cue:
    """One cue, markup undone. ``where`` names it in messages; ``end_s`` is None where the file does not tell it.

    ``word_starts_s`` has one time for each word of ``text`` (split at blanks), or none at all.
    """

    where: str
    start_s: float
    end_s: float | None
    text: str
    word_starts_s: tuple[float, ...] = ()


def plain(text: str) -> str:
    """Text with entities unescaped and each run of white space made one blank."""
    return " ".join(html.unescape(text).split())


def timed_words(parts: Iterable[tuple[float, str]]) -> tuple[str, tuple[float, ...]]:
    """Join timed pieces of a line to its text and the start of each word: that of the piece with its first letter.

    Args:
        parts: (start in seconds, text with its own blanks and entities), in the order of speech.
    """
    text, starts_of_letters = "", []
    for start_s, part in parts:
        spoken = html.unescape(part)
        text += spoken
        starts_of_letters.extend([start_s] * len(spoken))
    starts, after_blank = [], True
    for letter, start_s in zip(text, starts_of_letters, strict=True):
        if after_blank and not letter.isspace():
            starts.append(start_s)
        after_blank = letter.isspace()
    return " ".join(text.split()), tuple(starts)


def captions(name: str, cues: Iterable[Cue], problems: Iterable[Problem] = ()) -> Captions:
    """Lines of the cues that have words. Where a cue tells no end, or one at its start, the next cue's start is taken.

    Cues that end before they start, start before the video, or whose end nothing tells become problems.
    """
    spoken = [cue for cue in cues if cue.text]
    later_start = _next_starts(spoken)
    lines, broken = [], list(problems)
    for cue, next_start in zip(spoken, later_start, strict=True):
        end_s = next_start if cue.end_s is None or cue.end_s == cue.start_s else cue.end_s
        reason = _reason(cue, end_s)
        if reason:
            broken.append(Problem(f"{name}: {cue.where}", f"{reason}: {cue.text}"))
        else:
            assert end_s is not None
            words = zip(cue.word_starts_s, cue.text.split(), strict=True) if cue.word_starts_s else ()
            lines.append(CaptionLine(cue.start_s, end_s, cue.text, tuple(words)))
    return Captions(tuple(lines), tuple(broken))


def _reason(cue: Cue, end_s: float | None) -> str | None:
    if not math.isfinite(cue.start_s) or cue.start_s < 0:
        return f"starts at {cue.start_s:g} s"
    if end_s is None:
        return "tells no end, and no later cue follows"
    if not end_s > cue.start_s or not math.isfinite(end_s):
        return f"ends at {end_s:g} s, having started at {cue.start_s:g} s"
    return None


def _next_starts(cues: list[Cue]) -> list[float | None]:
    """For each cue the smallest start after its own."""
    starts = sorted({cue.start_s for cue in cues if math.isfinite(cue.start_s)})
    following: dict[float, float] = dict(pairwise(starts))
    return [following.get(cue.start_s) for cue in cues]

"""The result of every caption reader, and the rules that hold for every format.

A reader gives cues; ``captions`` turns them into lines with times, and lists the cues that it cannot use.
"""

from __future__ import annotations

import html
import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from assets.captions.tracks import CaptionLine
from assets.outcomes import Problem
from assets.values import storable

LONGEST_S = 1e7
"""Times above this, about four months, are damage."""

_TAGS = "b|big|br|c|center|em|font|i|lang|p|rt|ruby|s|small|span|strike|strong|sub|sup|tt|u|v"
_MARKUP = re.compile(rf"</?(?:{_TAGS})(?:[\s./][^<>]*)?>", re.IGNORECASE)
_ESCAPES = 3
"""How often a text may have been escaped; files in use have two escapes at most."""


class CaptionError(Exception):
    """The file as a whole cannot be read; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Captions:
    """A track as it was read: ``lines`` in the file's order, ``problems`` for the cues that are not among them."""

    lines: tuple[CaptionLine, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Cue:
    """One cue without markup. ``where`` names it in messages; ``end_s`` is None where the file does not give it.

    ``word_starts_s`` has one time for each word of ``text`` (split at blanks), or none at all.
    """

    where: str
    start_s: float
    end_s: float | None
    text: str
    word_starts_s: tuple[float, ...] = ()


def unescaped(text: str) -> str:
    """The text with entities resolved, also where it was escaped more than once (``&amp;amp;``)."""
    for _ in range(_ESCAPES):
        if "&" not in text:
            break
        text = html.unescape(text)
    return text


def plain(text: str) -> str:
    """The text without entities and markup, each run of white space made one blank."""
    return " ".join(_MARKUP.sub(_blank_for_break, unescaped(text)).split())


def _blank_for_break(tag: re.Match[str]) -> str:
    return " " if tag[0][:3].lower() == "<br" else ""


def timed_words(parts: Iterable[tuple[float, str]]) -> tuple[str, tuple[float, ...]]:
    """Join timed pieces of a line to its text and the start of each word: that of the piece with its first letter.

    Args:
        parts: (start in seconds, text with its own blanks and entities), in the order of speech.
    """
    pieces, starts_of_letters = [], []
    for start_s, part in parts:
        spoken = storable(unescaped(part))
        pieces.append(spoken)
        starts_of_letters.extend([start_s] * len(spoken))
    text = "".join(pieces)
    silent = {i for tag in _MARKUP.finditer(text) for i in range(*tag.span())}
    breaks = {tag.start() for tag in _MARKUP.finditer(text) if _blank_for_break(tag)}
    letters, starts, after_blank = [], [], True
    for at, (letter, start_s) in enumerate(zip(text, starts_of_letters, strict=True)):
        if at in silent and at not in breaks:
            continue
        shown = " " if at in breaks else letter
        if after_blank and not shown.isspace():
            starts.append(start_s)
        after_blank = shown.isspace()
        letters.append(shown)
    return " ".join("".join(letters).split()), tuple(starts)


def reading_time(text: str) -> float:
    """Seconds for which a cue is shown whose end is unknown: one, and half a second per word, at most ten."""
    return min(1 + len(text.split()) / 2, 10.0)


def captions(name: str, cues: Iterable[Cue], problems: Iterable[Problem] = ()) -> Captions:
    """The lines of the cues that have words.

    A cue without an end, or of no length, ends where the next one starts, but not later than after its
    ``reading_time``. Of cues with the same text and the same start, one is kept. Cues that end before they start or
    start before the video become problems.
    """
    spoken = [replace(cue, text=storable(cue.text)) for cue in cues if cue.text]
    starts = sorted({cue.start_s for cue in spoken if math.isfinite(cue.start_s)})
    lines, broken = [], list(problems)
    for cue in _each_once(spoken):
        end_s = cue.end_s
        if end_s is None or end_s == cue.start_s:
            following = bisect_right(starts, cue.start_s)
            next_s = starts[following] if following < len(starts) else math.inf
            end_s = min(next_s, cue.start_s + reading_time(cue.text))
        reason = impossible_times(cue.start_s, end_s)
        if reason:
            broken.append(Problem(f"{name}: {cue.where}", f"{reason}: {cue.text[:80]}"))
        else:
            words = zip(cue.word_starts_s, cue.text.split(), strict=True) if cue.word_starts_s else ()
            lines.append(CaptionLine(cue.start_s, end_s, cue.text, tuple(words)))
    return Captions(tuple(lines), tuple(broken))


def _each_once(cues: list[Cue]) -> list[Cue]:
    """The cues without repeats of the same text at the same start; the longest end and known word times stay."""
    kept: dict[tuple[float, str], Cue] = {}
    for cue in cues:
        # A start that is not finite is no time that two cues could share.
        key = (round(cue.start_s, 3) if math.isfinite(cue.start_s) else cue.start_s, cue.text)
        first = kept.get(key)
        if first is None:
            kept[key] = cue
        else:
            ends = [each.end_s for each in (first, cue) if each.end_s is not None]
            words = first.word_starts_s or cue.word_starts_s
            kept[key] = replace(first, end_s=max(ends, default=None), word_starts_s=words)
    return list(kept.values())


def impossible_times(start_s: float, end_s: float) -> str | None:
    """Why no line can have these times, or None."""
    if not 0 <= start_s <= LONGEST_S:
        return f"starts at {start_s:g} s"
    if not start_s < end_s <= LONGEST_S:
        return f"ends at {end_s:g} s, having started at {start_s:g} s"
    return None

"""Sound tags and speaker marks: what a caption holds that is not speech. Removing them takes linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

SOUND_WORDS = (
    "applau(?:se|ding)",
    "audience",
    "background",
    "bang(?:s|ing)?",
    "bark(?:s|ing)?",
    "beep(?:s|ing)?",
    "bell",
    "breath(?:es|ing)",
    "buzz(?:es|ing)?",
    "chatter(?:ing)?",
    "cheer(?:s|ing)?",
    "chuckl(?:es|ing)",
    "clap(?:s|ping)",
    "clatter(?:s|ing)?",
    "clears throat",
    "click(?:s|ing)?",
    "cough(?:s|ing)?",
    "cry(?:ing)?",
    "exhal(?:es|ing)",
    "footsteps?",
    "foreign language",
    "gasp(?:s|ing)?",
    "giggl(?:es|ing)",
    "groan(?:s|ing)?",
    "growl(?:s|ing)?",
    "grunt(?:s|ing)?",
    "hiss(?:es|ing)?",
    "humming",
    "inaudible",
    "indistinct",
    "inhal(?:es|ing)",
    "instrumental",
    "jingle",
    "knock(?:s|ing)?",
    "laugh(?:s|ing|ter)?",
    "meow(?:s|ing)?",
    "music(?:al)?",
    "no audio",
    "noises?",
    "rattl(?:es|ing)",
    "ringing",
    "screams?",
    "sigh(?:s|ing)?",
    "silence",
    "singing",
    "sizzl(?:es|ing)",
    "sneez(?:es|ing)",
    "sniff(?:s|ing)?",
    "sounds?",
    "static",
    "unintelligible",
    "upbeat",
    "whirr?(?:s|ing)?",
    "whistl(?:es|ing)",
    "whoosh(?:es|ing)?",
)
"""Words that make a parenthesis a sound tag. Parentheses also hold speech ("about (two) cups"), so others stay."""

NOT_SPEAKERS = (
    "NOTE",
    "NOTES",
    "TIP",
    "TIPS",
    "STEP",
    "WARNING",
    "CAUTION",
    "IMPORTANT",
    "INGREDIENTS",
    "MATERIALS",
    "TOOLS",
)
"""Words in capitals before a colon that are nobody's name."""

_SQUARE = r"\[[^\[\]]*\]"
_ROUND = r"(?P<round>\([^()]*\))"
_NOTES = r"[♩♪♫♬]+"
_CHEVRONS = r">>+"
_DASH = r"(?:^|(?<=[.?!…] ))[-–—](?=\s)"
_NAME = (
    rf"^(?:>>+\s*|[-–—]\s*)?(?!(?:{'|'.join(NOT_SPEAKERS)})\b)"
    r"(?:[A-Z][A-Z.'’]+(?:[ -][A-Z.'’]+){0,2}|(?i:speaker|narrator|host|interviewer|man|woman))(?: \d+)?:(?=\s|$)"
)
_CANDIDATE = re.compile("|".join((_SQUARE, _ROUND, _NAME, _NOTES, _CHEVRONS, _DASH)))
_SOUND = re.compile(rf"\b(?:{'|'.join(SOUND_WORDS)})\b", re.IGNORECASE)
_MAY_HOLD_A_MARK = r"[\[(♩♪♫♬>:]|^[-–—]\s|[.?!…] [-–—]\s"
"""Cheap test, for Rust's regular expressions, that spares most lines the search."""


def _marks(text: str) -> Iterator[tuple[int, int]]:
    """(begin, end) of each mark. A parenthesis without a sound word is none, but there may be marks in it."""
    at = 0
    while candidate := _CANDIDATE.search(text, at):
        if candidate["round"] is None or _SOUND.search(candidate["round"]):
            yield candidate.span()
            at = candidate.end()
        else:
            at = candidate.start() + 1


def speech(text: str) -> str:
    """The text without marks, as in ``>> NARRATOR: [Music] stir`` -> ``stir``."""
    return " ".join(_blanked(text).split())


def _blanked(text: str) -> str:
    """The text with as many blanks for each mark, so that each letter keeps its place."""
    pieces, at = [], 0
    for begin, end in _marks(text):
        pieces += [text[at:begin], " " * (end - begin)]
        at = end
    return "".join([*pieces, text[at:]])


def speech_with_times(text: str, word_starts_s: list[float]) -> tuple[str, list[float]]:
    """The text without marks, and the times of the words that stay.

    Args:
        word_starts_s: one for each word of ``text``, split at blanks.
    """
    word_ends = [word.end() for word in re.finditer(r"\S+", text)]
    words, starts, at = [], [], 0
    for word in re.finditer(r"\S+", _blanked(text)):
        while word_ends[at] <= word.start():
            at += 1
        words.append(word[0])
        starts.append(word_starts_s[at])
    return " ".join(words), starts


def without_marks(lines: pl.DataFrame) -> pl.DataFrame:
    """``text`` and ``word_starts_s`` of a frame of caption lines, without sound tags and speaker marks."""
    rows = lines.with_row_index("row")
    marked = rows.filter(pl.col("text").str.contains(_MAY_HOLD_A_MARK)).select("row", "text", "word_starts_s")
    if marked.is_empty():
        return lines
    spoken = [
        (row, speech(text), None) if starts is None else (row, *speech_with_times(text, starts))
        for row, text, starts in marked.iter_rows()
    ]
    changed = pl.DataFrame(spoken, schema=dict(marked.schema), orient="row")
    return (
        rows.join(changed, on="row", how="left", suffix="_spoken")
        .with_columns(
            text=pl.coalesce("text_spoken", "text"), word_starts_s=pl.coalesce("word_starts_s_spoken", "word_starts_s")
        )
        .select(lines.columns)
    )

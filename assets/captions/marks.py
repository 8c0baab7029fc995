"""What a caption holds besides speech: sound tags and speaker marks.

Belongs here: which marks there are and how they go. Markup of a file format is undone by that format's reader.
"""

from __future__ import annotations

import re

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
"""Words in capitals before a colon that are no one's name."""

_SQUARE = r"\[[^\[\]]*\]"
_ROUND = rf"(?i:\([^()]*\b(?:{'|'.join(SOUND_WORDS)})\b[^()]*\))"
_NOTES = r"[♩♪♫♬]+"
_CHEVRONS = r">>+"
_DASH = r"(?:^|(?<=[.?!…] ))[-–—](?=\s)"
_NAME = (
    rf"^(?:>>+\s*|[-–—]\s*)?(?!(?:{'|'.join(NOT_SPEAKERS)})\b)"
    r"(?:[A-Z][A-Z.'’]+(?:[ -][A-Z.'’]+){0,2}|(?i:speaker|narrator|host|interviewer|man|woman))(?: \d+)?:(?=\s|$)"
)
_MARK = re.compile("|".join((_SQUARE, _ROUND, _NAME, _NOTES, _CHEVRONS, _DASH)))
_MAY_HOLD_A_MARK = r"[\[(♩♪♫♬>:]|^[-–—]\s|[.?!…] [-–—]\s"
"""Cheap test, for Rust's regular expressions, that spares most lines the search."""


def speech(text: str) -> str:
    """The text without marks, as in ``>> NARRATOR: [Music] stir`` -> ``stir``."""
    return " ".join(_MARK.sub(" ", text).split())


def speech_with_times(text: str, word_starts_s: list[float]) -> tuple[str, list[float]]:
    """The text without marks, and the times of the words that stay.

    Args:
        word_starts_s: one for each word of ``text``, split at blanks.
    """
    # A mark becomes as many blanks, so that each letter keeps its place and its word's time.
    blanked = _MARK.sub(lambda mark: " " * len(mark[0]), text)
    word_ends = [word.end() for word in re.finditer(r"\S+", text)]
    words, starts, at = [], [], 0
    for word in re.finditer(r"\S+", blanked):
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

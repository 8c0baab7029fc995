"""SAMI (smi): texts in several languages, each shown from its time until the next text of its language.

pysubs2 reads this format too, but joins the languages of a file and estimates when a text ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain
from assets.captions.webvtt import decoded_text
from assets.outcomes import Problem

LONGEST_SHOWN_S = 30.0
"""Seconds after which a text that nothing replaced counts as one without an end."""

_SYNC = re.compile(r"<sync\b[^<>]*>", re.IGNORECASE)
_START = re.compile(r"\bstart\s*=\s*[\"']?\s*(\d{1,12})\b", re.IGNORECASE)
_PARAGRAPH = re.compile(r"<p\b([^<>]*)>", re.IGNORECASE)
_CLASS = re.compile(r"\bclass\s*=\s*[\"']?([\w-]{1,80})", re.IGNORECASE)
_STYLE = re.compile(r"\.([\w-]{1,80})\s{0,20}\{([^{}]*)\}")
_ENGLISH = re.compile(r"\blang\s*:\s*[\"']?en\b", re.IGNORECASE)
_TAG = re.compile(r"</?([a-z]*)[^<>]*>", re.IGNORECASE)


def read_sami(data: bytes, name: str) -> Captions:
    """The texts of a SAMI file; of several languages, the English one, else the first.

    Raises:
        CaptionError: in no Unicode encoding, or without a ``<SYNC Start=...>``.
    """
    text = decoded_text(data, name)
    texts, problems = [], []
    language = _english_class(text)
    for line, start_s, content in _syncs(text):
        if start_s is None:
            problems.append(Problem(f"{name}: line {line}", f"not a time: {content[:80]}"))
            continue
        for of_class, paragraph in _paragraphs(content):
            language = language or of_class
            if of_class is None or of_class == language:
                texts.append((line, start_s, plain(_TAG.sub(_blank_for_break, paragraph))))
    if not texts and not problems:
        raise CaptionError(f"{name}: no <SYNC Start=...>" if text.strip() else f"{name}: empty file")
    cues = []
    for (line, start_s, spoken), after in zip_longest(texts, texts[1:]):
        end_s = after[1] if after and after[1] - start_s <= LONGEST_SHOWN_S else None
        cues.append(Cue(f"line {line}", start_s, end_s, spoken))
    return captions(name, cues, problems)


def _syncs(text: str) -> Iterator[tuple[int, float | None, str]]:
    """(line number, start in seconds, content) of each SYNC; without a start, the content is the tag itself."""
    syncs = list(_SYNC.finditer(text))
    line, counted = 1, 0
    for sync, after in zip_longest(syncs, syncs[1:]):
        line += text.count("\n", counted, sync.start())
        counted = sync.start()
        start = _START.search(sync[0])
        if start is None:
            yield line, None, sync[0]
        else:
            yield line, int(start[1]) / 1000, text[sync.end() : after.start() if after else len(text)]


def _paragraphs(content: str) -> Iterator[tuple[str | None, str]]:
    """(class in lower case, text) of each paragraph; text before the first one has no class."""
    pieces = _PARAGRAPH.split(content)
    if pieces[0].strip():
        yield None, pieces[0]
    for attributes, paragraph in zip(pieces[1::2], pieces[2::2], strict=True):
        found = _CLASS.search(attributes)
        yield (found[1].lower() if found else None), paragraph


def _english_class(text: str) -> str | None:
    """The class of the English texts, by the language of its style, else by its name."""
    by_style = [style[1].lower() for style in _STYLE.finditer(text) if _ENGLISH.search(style[2])]
    names = {found[1].lower() for found in _CLASS.finditer(text)}
    by_name = sorted(name for name in names if name.startswith("en"))
    return next((name for name in [*by_style, *by_name] if name in names), None)


def _blank_for_break(tag: re.Match[str]) -> str:
    return " " if tag[1].lower() == "br" else ""

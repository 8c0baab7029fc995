"""WebVTT, SubRip, SubViewer and YouTube's sbv: blocks of a timing line and rows of text, with blank lines between.

See ``rolling`` for the box in which such files show recognised speech, and ``segments`` for overlapping windows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain, timed_words
from assets.captions.rolling import Box, rolls, unrolled
from assets.outcomes import Problem
from assets.values import decoded

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9})|:(\d{3}))?(?!\d)"
_CLOCK = re.compile(_TIME)
_TIMING = re.compile(rf"\s*{_TIME}(?P<between>\W{{1,12}}){_TIME}(?:\s.*)?")
"""Two clock times with nothing but signs between them: ``-->``, and all that people and programs write for it."""
_ARROW = re.compile(r"[^\s.,;:/|'\"-]|-{2}")
"""A sign that makes an arrow, as a comma or a single hyphen do not."""
_NOT_LETTERS = re.compile(r"[\W_]*")
_TAG = re.compile(r"</?[^<>]*>|\{\\[^{}]*\}|\[br\]", re.IGNORECASE)
_TIMESTAMP = re.compile(rf"<{_TIME}>")
_NOT_CUES = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION|X-TIMESTAMP-MAP)\b|\[(?:INFORMATION|SUBTITLE)\]")
_GROUPS = 5
"""Groups of ``_TIME``; a timing has those of its start, what is between, and those of its end."""


@dataclass
class _Block:
    line: int
    timing: str
    rows: list[tuple[int, str]] = field(default_factory=list)
    """Line number and text of each row."""


def read_vtt(data: bytes, name: str) -> Captions:
    """The cues of a WebVTT file, with word times where it has them.

    Raises:
        CaptionError: not UTF-8, or without the WEBVTT header.
    """
    text = decoded_text(data, name)
    if not text.startswith("WEBVTT"):
        raise CaptionError(f"{name}: does not start with WEBVTT" if text.strip() else f"{name}: empty file")
    return _read(text, name)


def read_srt(data: bytes, name: str) -> Captions:
    """The cues of a SubRip, SubViewer or sbv file; text after a blank line belongs to the cue before it.

    Raises:
        CaptionError: not UTF-8, or without any timing line.
    """
    text = decoded_text(data, name)
    if not any(_TIMING.fullmatch(row) or "-->" in row for row in text.split("\n")):
        example = "00:00:01,000 --> 00:00:02,500"
        raise CaptionError(f"{name}: no timing line ({example})" if text.strip() else f"{name}: empty file")
    return _read(text, name)


def decoded_text(data: bytes, name: str) -> str:
    """The text of a caption file with ``\\n`` at the end of each line.

    Raises:
        CaptionError: it is in no Unicode encoding.
    """
    try:
        text = decoded(data)
    except UnicodeDecodeError as error:
        encoding = error.encoding.upper()
        problem = f"{name}: not {encoding} (byte {error.object[error.start]:#04x} at {error.start:,})"
        raise CaptionError(f"{problem}; save it as UTF-8, e.g. iconv -f WINDOWS-1252 -t UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(text: str, name: str) -> Captions:
    blocks, problems = _blocks(text, name)
    boxes = []
    for block in blocks:
        times = _times(block.timing)
        if times is None:
            lost = "".join(f" / {row.strip()}" for _, row in block.rows[:3])
            problems.append(_problem(name, block.line, "not a timing", block.timing + lost))
            continue
        spoken = []
        for number, row in block.rows:
            if _is_clock_row(row):
                problems.append(_problem(name, number, "a row of clock times is no text", row))
            else:
                spoken.append(_row(row, block.line, *times))
        boxes.append(Box(*times, tuple(spoken)))
    cues = unrolled(boxes) if rolls(boxes) else [_whole(box) for box in boxes if box.rows]
    return captions(name, cues, problems)


def _problem(name: str, line: int, reason: str, row: str) -> Problem:
    return Problem(f"{name}: line {line}", f"{reason}: {row.strip()[:120]}")


def _blocks(text: str, name: str) -> tuple[list[_Block], list[Problem]]:
    """Cut at timing lines. The row above a timing names its cue; other rows belong to the cue before them."""
    blocks: list[_Block] = []
    problems: list[Problem] = []
    for first, rows in _paragraphs(text):
        timings = _timing_rows(rows)
        stray = rows[: max(timings[0] - 1, 0)] if timings else rows
        if not stray or _NOT_CUES.match(stray[0]) or "".join(stray).strip().isdigit():
            pass
        elif blocks:
            blocks[-1].rows.extend(enumerate(stray, start=first))
        else:
            problems.append(_problem(name, first, "no timing above", " ".join(stray[:3])))
        for at, after in pairwise([*timings, len(rows)]):
            numbered = after < len(rows) and after - 1 > at and rows[after - 1].strip().isdigit()
            block = _Block(first + at, rows[at])
            block.rows.extend(enumerate(rows[at + 1 : after - numbered], start=first + at + 1))
            blocks.append(block)
    return blocks, problems


def _timing_rows(rows: list[str]) -> list[int]:
    """Where the timings are: plain ones anywhere, those that are broken or may be times of day where one belongs."""
    return [
        index
        for index, row in enumerate(rows)
        if _is_timing(row)
        or (
            index < 2
            and ("-->" in row or _TIMING.fullmatch(row) or _is_clock_row(row))
            and not (index and _is_timing(rows[0]))
        )
        or (row.lstrip()[:1].isdigit() and "->" in row and _CLOCK.search(row))
    ]


def _is_timing(row: str) -> bool:
    """True for two clock times with an arrow between, or with anything between if they are exact."""
    found = _TIMING.fullmatch(row)
    if found is None:
        return False
    start, end = found.groups()[:_GROUPS], found.groups()[-_GROUPS:]
    exact = all(parts[0] or parts[3] or parts[4] for parts in (start, end))
    return exact or _ARROW.search(found["between"]) is not None


def _is_clock_row(row: str) -> bool:
    """True for a row with two clock times to the second, or of nothing but clock times: never speech.

    Times of day, as in "5:30 to 6:00", may be speech, if not a row of two and nothing else.
    """
    row = _TAG.sub("", row)  # time stamps of words are tags
    clocks = list(_CLOCK.finditer(row))
    exact = sum(bool(clock[1] or clock[4] or clock[5]) for clock in clocks)
    bare = bool(clocks) and _NOT_LETTERS.fullmatch(_CLOCK.sub("", row)) is not None
    return exact > 1 or (bare and (exact > 0 or len(clocks) > 1))


def _paragraphs(text: str) -> Iterator[tuple[int, list[str]]]:
    """Runs of rows between empty lines, with the number of their first line. A row of blanks is a row."""
    rows: list[str] = []
    for number, row in enumerate([*text.split("\n"), ""], start=1):
        if row:
            rows.append(row)
        elif rows:
            yield number - len(rows), rows
            rows = []


def _times(timing: str) -> tuple[float, float] | None:
    match = _TIMING.fullmatch(timing)
    if match is None:
        return None
    start, end = _seconds(match.groups()[:_GROUPS]), _seconds(match.groups()[-_GROUPS:])
    return None if start is None or end is None else (start, end)


def _seconds(parts: tuple[str | None, ...]) -> float | None:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    if minutes > 59 or seconds > 59:
        return None
    fraction = (parts[3] or parts[4] or "0").ljust(3, "0")
    scale = 10 ** len(fraction)
    return (((hours * 60 + minutes) * 60 + seconds) * scale + int(fraction)) / scale


def _row(row: str, line: int, start_s: float, end_s: float) -> Cue:
    """One row of a cue; its words have times if there are time stamps between them."""
    where = f"line {line}"
    pieces = _TIMESTAMP.split(row)
    if len(pieces) == 1:
        return Cue(where, start_s, end_s, plain(_untagged(row)))
    starts = [start_s]
    for at in range(1, len(pieces), _GROUPS + 1):
        stamp = _seconds(tuple(pieces[at : at + _GROUPS]))
        starts.append(starts[-1] if stamp is None else stamp)
    texts = [_untagged(piece) for piece in pieces[:: _GROUPS + 1]]
    text, words = timed_words(zip(starts, texts, strict=True))
    return Cue(where, start_s, end_s, text, words)


def _untagged(text: str) -> str:
    return _TAG.sub(lambda tag: " " if tag[0].lower() in ("[br]", "<br>", "<br/>", "<br />") else "", text)


def _whole(box: Box) -> Cue:
    """The rows of a box as one cue; word times only if every row has them."""
    rows = [row for row in box.rows if row.text]
    if not rows:
        return Cue(box.rows[0].where, box.start_s, box.end_s, "")
    starts = tuple(start for row in rows for start in row.word_starts_s) if all(r.word_starts_s for r in rows) else ()
    return Cue(rows[0].where, box.start_s, box.end_s, " ".join(row.text for row in rows), starts)

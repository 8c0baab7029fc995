"""WebVTT and SubRip: blocks of a timing line and rows of text, with blank lines between.

Belongs here: the file formats alone. The rolling box that YouTube's WebVTT shows is undone in ``rolling``; what
overlapping windows mean is told in ``segments``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain, timed_words
from assets.captions.rolling import Box, rolls, unrolled
from assets.outcomes import Problem

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_MARKUP = re.compile(r"</?[^<>]*>|\{\\[^{}]*\}")
_TIMESTAMP = re.compile(rf"<{_TIME}>")
_NOT_CUES = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION|X-TIMESTAMP-MAP)\b")


@dataclass
class _Block:
    line: int
    timing: str
    rows: list[str] = field(default_factory=list)


def read_vtt(data: bytes, name: str) -> Captions:
    """The cues of a WebVTT file, with word times where it has them.

    Raises:
        CaptionError: not UTF-8, or without the WEBVTT header.
    """
    text = _text(data, name)
    if not text.startswith("WEBVTT"):
        raise CaptionError(f"{name}: does not start with WEBVTT" if text.strip() else f"{name}: empty file")
    return _read(text, name)


def read_srt(data: bytes, name: str) -> Captions:
    """The cues of a SubRip file; text after a blank line belongs to the cue before it.

    Raises:
        CaptionError: not UTF-8, or without any timing line.
    """
    text = _text(data, name)
    if "-->" not in text:
        raise CaptionError(f"{name}: no timing line (00:00:01,000 --> ...)" if text.strip() else f"{name}: empty file")
    return _read(text, name)


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaptionError(f"{name}: not UTF-8 ({error})") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(text: str, name: str) -> Captions:
    blocks, problems = _blocks(text, name)
    boxes = []
    for block in blocks:
        times = _times(block.timing)
        if times is None:
            problems.append(Problem(f"{name}: line {block.line}", f"not a timing: {block.timing.strip()}"))
        else:
            boxes.append(Box(*times, tuple(_row(row, block.line, *times) for row in block.rows)))
    cues = unrolled(boxes) if rolls(boxes) else [_whole(box) for box in boxes if box.rows]
    return captions(name, cues, problems)


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
            blocks[-1].rows.extend(stray)
        else:
            problems.append(Problem(f"{name}: line {first}", f"no timing above: {' '.join(stray)}"))
        for at, after in pairwise([*timings, len(rows)]):
            numbered = after < len(rows) and after - 1 > at and rows[after - 1].strip().isdigit()
            blocks.append(_Block(first + at, rows[at], rows[at + 1 : after - numbered]))
    return blocks, problems


def _timing_rows(rows: list[str]) -> list[int]:
    """Where timings stand: the well-formed ones, else a broken one where a timing belongs."""
    well_formed = [i for i, row in enumerate(rows) if _TIMING.fullmatch(row)]
    return well_formed or [i for i, row in enumerate(rows[:2]) if "-->" in row][:1]


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
    start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    return None if start is None or end is None else (start, end)


def _seconds(parts: tuple[str | None, ...]) -> float | None:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    if minutes > 59 or seconds > 59:
        return None
    milliseconds = int((parts[3] or "0").ljust(3, "0"))
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds) / 1000


def _row(row: str, line: int, start_s: float, end_s: float) -> Cue:
    """One row of a cue; its words have times if time stamps stand between them."""
    where = f"line {line}"
    pieces = _TIMESTAMP.split(row)
    if len(pieces) == 1:
        return Cue(where, start_s, end_s, plain(_MARKUP.sub("", row)))
    starts = [start_s]
    for at in range(1, len(pieces), 5):
        told = _seconds(tuple(pieces[at : at + 4]))
        starts.append(starts[-1] if told is None else told)
    texts = [_MARKUP.sub("", piece) for piece in pieces[::5]]
    text, words = timed_words(zip(starts, texts, strict=True))
    return Cue(where, start_s, end_s, text, words)


def _whole(box: Box) -> Cue:
    """The rows of a box as one cue; word times only if every row has them."""
    rows = [row for row in box.rows if row.text]
    if not rows:
        return Cue(box.rows[0].where, box.start_s, box.end_s, "")
    starts = tuple(start for row in rows for start in row.word_starts_s) if all(r.word_starts_s for r in rows) else ()
    return Cue(rows[0].where, box.start_s, box.end_s, " ".join(row.text for row in rows), starts)

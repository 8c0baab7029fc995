"""The forms in which caption lines are published: HowTo100M's parallel lists and MIL-NCE's csv of one video.

See ``assets.sources.howto100m_release.captions`` for whole releases of a million videos.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from typing import Any

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain
from assets.outcomes import Problem
from assets.values import decoded, parse_json, shown

Row = tuple[int, float, float, str]
"""Index in the video's entry, start and end in seconds, text as it is."""
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


def read_release_json(data: bytes, name: str) -> Captions:
    """One video of ``caption.json``: an object of the parallel lists ``start``, ``end`` (seconds) and ``text``.

    Raises:
        CaptionError: not JSON of this form, or lists of different lengths.
    """
    try:
        document = parse_json(data)
    except ValueError as error:
        raise CaptionError(f"{name}: not JSON ({error})") from error
    rows, problems = parallel_rows(document, name)
    return captions(name, (Cue(f"line {i}", start, end, plain(text)) for i, start, end, text in rows), problems)


def parallel_rows(video: Any, name: str) -> tuple[list[Row], list[Problem]]:
    """(index, start, end, text) of each complete entry of the lists ``start``, ``end`` and ``text``, as they are.

    Raises:
        CaptionError: the lists are not there or not parallel, so that no text has a time.
    """
    entry: dict[str, Any] = video if isinstance(video, dict) else {}
    start, end, text = (entry.get(key) for key in ("start", "end", "text"))
    if not (isinstance(start, list) and isinstance(end, list) and isinstance(text, list)):
        raise CaptionError(f"{name}: not an object with the lists start, end and text")
    if not len(start) == len(end) == len(text):
        raise CaptionError(f"{name}: {len(start)} starts, {len(end)} ends and {len(text)} texts")
    rows, problems = [], []
    for index, line in enumerate(zip(start, end, text, strict=True)):
        reason = wrong_entry(*line)
        if reason:
            problems.append(Problem(f"{name}: line {index}", reason))
        else:
            rows.append((index, float(line[0]), float(line[1]), line[2]))
    return rows, problems


def wrong_entry(start: Any, end: Any, text: Any) -> str | None:
    """Why an entry of the release cannot be stored, or None."""
    for key, value in (("start", start), ("end", end)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) <= sys.float_info.max:
            return f"{key} is {shown(value)}"
    if not isinstance(text, str):
        return f"text is {shown(text)}"
    if _HALF_OF_A_PAIR.search(text):
        return f"text is not Unicode (half of a surrogate pair): {shown(text)}"
    return None


def read_mil_nce(data: bytes, name: str) -> Captions:
    """MIL-NCE's csv of one video: ``start,end,text``, seconds.

    Raises:
        CaptionError: not UTF-8, or another header.
    """
    rows, problems = csv_rows(data, name)
    return captions(name, (Cue(f"line {i}", start, end, plain(text)) for i, start, end, text in rows), problems)


def csv_rows(data: bytes, name: str) -> tuple[list[Row], list[Problem]]:
    """(index, start, end, text) of each complete row of a csv with the header ``start,end,text``, as it is.

    Raises:
        CaptionError: not UTF-8, not csv, or another header.
    """
    try:
        header, *entries = list(csv.reader(io.StringIO(decoded(data), newline=""))) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CaptionError(f"{name}: not csv in UTF-8 ({error})") from error
    if [field.strip() for field in header] != ["start", "end", "text"]:
        raise CaptionError(f"{name}: its header is {shown(','.join(header))}, not start,end,text")
    rows, problems = [], []
    for index, entry in enumerate(entry for entry in entries if entry):
        reason = f"{len(entry)} fields instead of 3" if len(entry) != 3 else None
        try:
            start, end = (float(field) for field in entry[:2])
        except ValueError:
            reason = reason or f"not numbers: {', '.join(map(shown, entry[:2]))}"
        if reason is None:
            reason = wrong_entry(start, end, entry[2])
        if reason:
            problems.append(Problem(f"{name}: line {index}", reason))
        else:
            rows.append((index, start, end, entry[2]))
    return rows, problems

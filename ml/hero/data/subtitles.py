"""Subtitles of HERO's data sets: JSON Lines of ``{"vid_name", "sub": [{"text", "start", "end"}]}``.

Belongs here: reading, writing and making their text plain. Which frames they cover is told beside the model.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ml.hero.data.annotations import Row, read_rows, write_rows


class Line(NamedTuple):
    """A subtitle in seconds of its video."""

    start_s: float
    end_s: float
    text: str


def read_subtitles(path: Path) -> dict[str, list[Line]]:
    """The subtitles of each video as the file has them.

    Raises:
        ValueError: a line is not of this form, or names a video again.
    """
    found: dict[str, list[Line]] = {}
    for video_id, lines in read_rows(path, _video):
        if video_id in found:
            raise ValueError(f"{path}: video {video_id} stands there twice")
        found[video_id] = lines
    return found


def write_subtitles(path: Path, subtitles: Mapping[str, Iterable[Line]]) -> None:
    """Write such a file, each video's lines by their start."""
    write_rows(path, (_row(video_id, lines) for video_id, lines in subtitles.items()))


def plain(text: str) -> str:
    """The text without HTML entities, in lower case if it is in capitals only, as HERO's tokens are made of it."""
    text = html.unescape(text)
    return text.lower() if text.isupper() else text


def _video(row: Row) -> tuple[str, list[Line]]:
    return row["vid_name"], [Line(float(line["start"]), float(line["end"]), line["text"]) for line in row["sub"]]


def _row(video_id: str, lines: Iterable[Line]) -> Row:
    ordered = sorted(lines, key=lambda line: line.start_s)
    return {
        "vid_name": video_id,
        "sub": [{"text": line.text, "start": line.start_s, "end": line.end_s} for line in ordered],
    }

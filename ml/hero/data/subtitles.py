"""Subtitles of HERO's data sets: JSON Lines of ``{"vid_name", "sub": [{"text", "start", "end"}]}``.

See ``ml.hero.video`` for the frames that they cover.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ml.hero.data.annotations import Row, read_rows, write_rows
from ml.reading import seconds, text_of


class Line(NamedTuple):
    """A subtitle in seconds of its video."""

    start_s: float
    end_s: float
    text: str


def read_subtitles(path: Path) -> dict[str, list[Line]]:
    """The subtitles of each video, in the file's order.

    Raises:
        ValueError: a line is not of this form, or names a video again.
    """
    found: dict[str, list[Line]] = {}
    for video_id, lines in read_rows(path, _video):
        if video_id in found:
            raise ValueError(f"{path}: video {video_id} occurs twice")
        found[video_id] = lines
    return found


def write_subtitles(path: Path, subtitles: Mapping[str, Iterable[Line]]) -> None:
    """Write such a file, each video's lines by their start."""
    write_rows(path, (_row(video_id, lines) for video_id, lines in subtitles.items()))


def plain(text: str) -> str:
    """The text from which HERO's tokens are made: without HTML entities, in lower case if it is in capitals only."""
    text = html.unescape(text)
    return text.lower() if text.isupper() else text


def _video(row: Row) -> tuple[str, list[Line]]:
    lines = [Line(seconds(line["start"]), seconds(line["end"]), text_of(line["text"], "text")) for line in row["sub"]]
    return text_of(row["vid_name"], "vid_name"), lines


def _row(video_id: str, lines: Iterable[Line]) -> Row:
    ordered = sorted(lines, key=lambda line: line.start_s)
    return {
        "vid_name": video_id,
        "sub": [{"text": line.text, "start": line.start_s, "end": line.end_s} for line in ordered],
    }

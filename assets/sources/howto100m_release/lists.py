"""The two lists of a HowTo100M release: the ranked videos of each task, and the titles of the tasks.

Each row is read by itself, so that a broken one is a problem with its line number and nothing else is lost.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from assets.outcomes import Problem, SourceError
from assets.sources.howto100m_release.export import VIDEO_COLUMNS
from assets.sources.protocol import SAFE_ID
from assets.values import shown, storable

ROWS_PER_FRAME = 100_000
LONGEST_LINE = 10_000
"""Characters of a line of a list."""
MOST_DIGITS = 9
"""Digits of a rank."""

VIDEO_LIST_SCHEMA = pl.Schema(
    {
        "video_id": pl.String(),
        "category_1": pl.String(),
        "category_2": pl.String(),
        "rank": pl.Int64(),
        "task_id": pl.String(),
    }
)


def read_video_list(path: Path) -> tuple[pl.DataFrame, list[Problem]]:
    """The rows of ``HowTo100M_v1.csv`` with blanks stripped, and the rows that cannot be used.

    Raises:
        SourceError: unreadable, or a column is missing.
    """
    frames, problems, rows = [VIDEO_LIST_SCHEMA.to_frame()], [], []
    lines = _lines(path)
    header = _fields(next(lines, (1, ""))[1])
    missing = [name for name in VIDEO_COLUMNS if name not in header]
    if missing:
        raise SourceError(f"{path}: no column {', '.join(missing)}; its header is {shown(','.join(header))}")
    places = [header.index(name) for name in VIDEO_COLUMNS]
    for number, line in lines:
        read = _refused(line) or _video_row(_fields(line), places)
        if isinstance(read, str):
            problems.append(Problem(f"{path.name}: line {number}", read))
        else:
            rows.append(read)
        if len(rows) == ROWS_PER_FRAME:
            frames.append(pl.DataFrame(rows, VIDEO_LIST_SCHEMA, orient="row"))
            rows = []
    videos = pl.concat([*frames, pl.DataFrame(rows, VIDEO_LIST_SCHEMA, orient="row")])
    once, repeated = _once(videos)
    problems += [
        Problem(f"{path.name}: {video_id}", f"again for task {task_id}, at rank {rank}: the best rank counts")
        for video_id, task_id, rank in repeated.select("video_id", "task_id", "rank").iter_rows()
    ]
    return once, problems


def _video_row(fields: list[str], places: list[int]) -> tuple[str, str, str | None, int, str] | str:
    """A row's values, or why it cannot be used."""
    if len(fields) <= max(places):
        return f"{len(fields)} fields: {','.join(fields)[:80]}"
    video_id, category_1, category_2, rank, task_id = (fields[place] for place in places)
    if not SAFE_ID.fullmatch(video_id):
        return f"{shown(video_id)} is no video id"
    if not rank.isdecimal() or len(rank) > MOST_DIGITS or int(rank) < 1:
        return f"{video_id}: rank is {shown(rank)}, not a number from 1 of at most {MOST_DIGITS} digits"
    if not task_id or not category_1:
        return f"{video_id}: no {'task_id' if category_1 else 'category_1'}"
    return video_id, category_1, None if category_2 in ("", "nan", "NaN") else category_2, int(rank), task_id


def _once(videos: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows sorted by task and rank, split into the first of each video and task, and the others."""
    ordered = videos.sort("task_id", "rank", "video_id")
    is_first = ordered.select(pl.struct("task_id", "video_id").is_first_distinct()).to_series()
    return ordered.filter(is_first), ordered.filter(~is_first)


def read_task_list(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Titles by task id from ``task_ids.csv``: two columns with a tab between, with a header or without.

    Raises:
        SourceError: unreadable.
    """
    titles: dict[str, str] = {}
    problems = []
    for number, line in _lines(path):
        fields = [field.strip() for field in line.split("\t")]
        if number == 1 and fields[0].lower() in ("id", "task_id"):
            continue
        reason = _refused(line)
        if reason is None and (len(fields) != 2 or not all(fields)):
            reason = f"not a task id and a title with a tab between: {line.strip()[:80]}"
        if reason is None and fields[0] in titles:
            reason = f"task {fields[0]} again; its first title counts"
        if reason is None:
            titles[fields[0]] = fields[1]
        else:
            problems.append(Problem(f"{path.name}: line {number}", reason))
    return titles, problems


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list that are not empty, with their numbers; half a surrogate is where a byte is not UTF-8."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from ((number, line.rstrip("\n")) for number, line in enumerate(file, start=1) if line.strip())
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error


def _refused(line: str) -> str | None:
    """Why a line cannot be read, whatever it holds."""
    if (kept := storable(line)) != line:
        return f"not UTF-8: {kept[:80]}"
    return f"longer than {LONGEST_LINE:,} characters" if len(line) > LONGEST_LINE else None


def _fields(line: str) -> list[str]:
    """The fields of a line of csv; a quotation mark that is not closed ends with its line."""
    fields = line.split(",") if '"' not in line else next(csv.reader([line[:LONGEST_LINE]]))
    return [field.strip() for field in fields]

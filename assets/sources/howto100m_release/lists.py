"""The two lists of a HowTo100M release: which videos stand at which rank of which task, and what the tasks are called.

Belongs here: their columns, blanks, missing headers, and which of their rows cannot be used.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import polars as pl

from assets.outcomes import Problem, SourceError
from assets.sources.howto100m_release.export import VIDEO_COLUMNS
from assets.sources.protocol import SAFE_ID

ROWS_A_FRAME = 100_000

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
    with _opened(path) as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in VIDEO_COLUMNS if name not in header]
        if missing:
            raise SourceError(f"{path.name}: no column {', '.join(missing)}; its header is {','.join(header)}")
        places = [header.index(name) for name in VIDEO_COLUMNS]
        for fields in reader:
            read = _video_row([field.strip() for field in fields], places) if fields else None
            if isinstance(read, str):
                problems.append(Problem(f"{path.name}: line {reader.line_num}", read))
            elif read:
                rows.append(read)
            if len(rows) == ROWS_A_FRAME:
                frames.append(pl.DataFrame(rows, VIDEO_LIST_SCHEMA, orient="row"))
                rows = []
    videos = pl.concat([*frames, pl.DataFrame(rows, VIDEO_LIST_SCHEMA, orient="row")])
    once, repeated = _once(videos)
    problems += [
        Problem(f"{path.name}: {video_id}", f"stands again for task {task_id}, at rank {rank}: the best rank counts")
        for video_id, task_id, rank in repeated.select("video_id", "task_id", "rank").iter_rows()
    ]
    return once, problems


def _video_row(fields: list[str], places: list[int]) -> tuple[str, str, str | None, int, str] | str:
    """A row's values, or why it cannot be used."""
    if len(fields) <= max(places):
        return f"{len(fields)} fields: {','.join(fields)}"
    video_id, category_1, category_2, rank, task_id = (fields[place] for place in places)
    if not SAFE_ID.fullmatch(video_id):
        return f"{video_id!r} is no video id"
    if not rank.isdecimal() or int(rank) < 1:
        return f"{video_id}: rank is {rank!r}, not a number from 1"
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
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            fields = [field.strip() for field in line.rstrip("\r\n").split("\t")]
            where = f"{path.name}: line {number}"
            if fields == [""] or (number == 1 and fields[0].lower() in ("id", "task_id")):
                continue
            if len(fields) != 2 or not all(fields):
                problems.append(Problem(where, f"not a task id and a title with a tab between: {line.strip()}"))
            elif fields[0] in titles:
                problems.append(Problem(where, f"task {fields[0]} again; its first title counts"))
            else:
                titles[fields[0]] = fields[1]
    return titles, problems


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path.name}: {error}") from error

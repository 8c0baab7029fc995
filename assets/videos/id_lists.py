"""Lists of evaluation videos, which the data set must not contain (HowTo100M section 3.1).

A list with one bad line is refused: without that line, a video of a benchmark could stay in the data set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
from pydantic import BeforeValidator, Field

from assets.options import ExistingFile, Options, Variable, named
from assets.values import shown
from ml.reading import csv_rows, json_document, text_lines

_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_ANY_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_ADDRESS = re.compile(r"(?:[?&]v=|youtu\.be/|/embed/|/shorts/)([A-Za-z0-9_-]{11})")
_SUFFIX = re.compile(r"\.(?:mp4|mkv|webm|npy|csv)$")


@dataclass(frozen=True)
class EvaluationLists(Options):
    """Benchmarks by name, with their lists of video ids."""

    group: ClassVar = "Videos"

    paths: Annotated[
        Mapping[str, ExistingFile],
        Variable("evaluation_lists"),
        BeforeValidator(named),
        Field(description="lists of videos that the data set must not contain, with commas: benchmark=path"),
    ] = field(default_factory=dict)


class IdListError(ValueError):
    """A list of evaluation videos cannot be used; the message names the file, the line and the remedy."""


def leakage(lists: Mapping[str, Path]) -> pl.DataFrame:
    """The evaluation videos of some benchmarks, which the data set must not contain.

    Args:
        lists: a benchmark's name and its list of ids.

    Returns:
        video_id, benchmark: one row per video, with the first benchmark that has it.

    Raises:
        IdListError: a list cannot be used.
    """
    rows = [(video_id, name) for name, path in lists.items() for video_id in sorted(read_id_list(path))]
    frame = pl.DataFrame(rows, {"video_id": pl.String, "benchmark": pl.String}, orient="row")
    return frame.unique("video_id", keep="first", maintain_order=True)


def read_id_list(path: Path) -> frozenset[str]:
    """The video ids of a list.

    Forms: JSON with a ``database`` (YouCook2's annotations: all but the subset ``training``), a JSON list or an object
    with ids as keys; CSV or TSV with a column ``video_id``; CrossTask's ``videos.csv`` and ``videos_val.csv`` (task,
    id, address, without a header); else an id, a file name, a path that ends in one, or a YouTube address per line.

    Raises:
        IdListError: there is no such file, it holds no id, or a line of it holds none.
    """
    if not path.is_file():
        raise IdListError(f"{path}: no such file")
    try:
        ids = frozenset(_ids_of_json(path) if path.suffix.lower() == ".json" else _ids_of_lines(path))
    except IdListError:
        raise
    except ValueError as error:
        raise IdListError(str(error)) from error
    if not ids:
        raise IdListError(f"{path}: holds no video id")
    return ids


def _ids_of_json(path: Path) -> Iterator[str]:
    listed = json_document(path)
    database = listed.get("database") if isinstance(listed, dict) else None
    if isinstance(database, dict):
        odd = next((key for key, entry in database.items() if not isinstance(entry, dict)), None)
        if odd is not None:
            raise IdListError(f"{path}: database[{shown(odd)}] is {shown(database[odd])} instead of an object")
        listed = [key for key, entry in database.items() if entry.get("subset") != "training"]
    if not isinstance(listed, dict | list):
        raise IdListError(f"{path}: neither an object with video ids as keys nor a list of video ids")
    for number, entry in enumerate(listed, start=1):
        if not isinstance(entry, str):
            raise IdListError(f"{path}: entry {number} is {shown(entry)} instead of a video id")
        yield _id_of(f"{path}: entry {number}", entry)


def _ids_of_lines(path: Path) -> Iterator[str]:
    first = next(text_lines(path), (1, ""))[1]
    delimiter = "\t" if "\t" in first else ","
    header = [name.strip().strip('"').lower() for name in first.split(delimiter)]
    if "video_id" in header:
        column = header.index("video_id")
        rows = csv_rows(path, delimiter=delimiter)
        next(rows)
        for number, row in rows:
            if row:
                yield _id_of(f"{path}:{number}", row[column] if column < len(row) else "")
        return
    for number, line in text_lines(path):
        if line.strip() and not line.lstrip().startswith("#"):
            yield _id_of(f"{path}:{number}", line)


def _id_of(place: str, entry: str) -> str:
    address = _ADDRESS.search(entry)
    if address:
        return address[1]
    name = entry.strip().rsplit("/", 1)[-1]
    name = name if _YOUTUBE_ID.fullmatch(name) else _SUFFIX.sub("", name)
    if not _ANY_ID.fullmatch(name):
        raise IdListError(f"{place}: no video id in {shown(entry.strip())}; give one per line, or a column video_id")
    return name

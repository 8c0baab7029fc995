"""The removal list: ids that must not be stored, with the reason and the date of each request.

See `orchestration.removal` for removing what is stored already.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FILE = "removals.csv"
"""The list in the folder of a lake, unless a setting names another."""

ID_COLUMNS = frozenset({"video_id", "household_id", "basket_id", "product_id", "product_a", "product_b"})
"""Columns whose values are ids. A row with a removed id in one of them is not written."""

_HEADER = ["id", "reason", "date"]


class RemovalError(Exception):
    """The removal list cannot be used; the message names the file, the line and the remedy."""


@dataclass(frozen=True)
class Removal:
    """A request to remove everything about an id."""

    id: str
    reason: str
    date: date


def read_removals(path: Path) -> tuple[Removal, ...]:
    """The removals of a CSV file with the columns id, reason and date (YYYY-MM-DD); none if there is no file.

    Raises:
        RemovalError: a line is wrong. No line is skipped, because its id would stay.
    """
    if not path.exists():
        return ()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RemovalError(f"{path}: cannot be read ({error}); write UTF-8 CSV with {','.join(_HEADER)}") from error
    if not lines or [name.strip().lower() for name in lines[0]] != _HEADER:
        raise RemovalError(f"{path}, line 1: must be the header {','.join(_HEADER)}")
    return tuple(_removal(path, number, line) for number, line in enumerate(lines[1:], start=2) if any(line))


def _removal(path: Path, number: int, line: list[str]) -> Removal:
    if len(line) != len(_HEADER) or not line[0].strip():
        raise RemovalError(f"{path}, line {number}: write {','.join(_HEADER)}, with an id")
    try:
        requested = date.fromisoformat(line[2].strip())
    except ValueError:
        raise RemovalError(f"{path}, line {number}: {line[2]!r} is no date; write YYYY-MM-DD") from None
    return Removal(line[0].strip(), line[1].strip(), requested)


def removed_ids(path: Path) -> frozenset[str]:
    """The ids of a removal list; none if there is no file.

    Raises:
        RemovalError: a line is wrong.
    """
    return frozenset(each.id for each in read_removals(path))

"""The removal list: ids that must not be stored, with the reason and the date of each request.

See `orchestration.removal` for removing what is stored already.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FILE = "removals.csv"
"""The list in the folder of a lake, unless a setting names another."""

ID_COLUMNS = frozenset({"video_id", "household_id", "basket_id", "product_id", "product_a", "product_b"})
"""Columns whose values are ids. A row with a removed id in one of them is not written."""

_HEADER = ["id", "reason", "date"]
_KINDS = ("video", "household", "basket", "product")
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


class RemovalError(Exception):
    """The removal list cannot be used; the message names the file, the line and the remedy."""


@dataclass(frozen=True)
class Removal:
    """A request to remove everything about an id. ``kind``: what it is the id of, if the list has that column."""

    id: str
    reason: str
    date: date
    kind: str | None = None

    @property
    def is_video(self) -> bool:
        """Whether the id is known to be that of a video: by its kind, or without one by its form, that of YouTube's."""
        return self.kind == "video" or (self.kind is None and _YOUTUBE_ID.fullmatch(self.id) is not None)


def read_removals(path: Path) -> tuple[Removal, ...]:
    """The removals of a CSV file with the columns id, reason, date (YYYY-MM-DD) and maybe kind; none without a file.

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
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if header not in (_HEADER, [*_HEADER, "kind"]):
        raise RemovalError(f"{path}, line 1: must be the header {','.join(_HEADER)}, or that with ,kind")
    return tuple(_removal(path, number, line, header) for number, line in enumerate(lines[1:], start=2) if any(line))


def _removal(path: Path, number: int, line: list[str], header: list[str]) -> Removal:
    if len(line) != len(header) or not line[0].strip():
        raise RemovalError(f"{path}, line {number}: write {','.join(header)}, with an id")
    kind = (line[3].strip().lower() or None) if len(line) > len(_HEADER) else None
    if kind is not None and kind not in _KINDS:
        raise RemovalError(f"{path}, line {number}: {line[3]!r} is no kind; write one of {', '.join(_KINDS)}, or none")
    try:
        requested = date.fromisoformat(line[2].strip())
    except ValueError:
        raise RemovalError(f"{path}, line {number}: {line[2]!r} is no date; write YYYY-MM-DD") from None
    return Removal(line[0].strip(), line[1].strip(), requested, kind)


def removed_ids(path: Path) -> frozenset[str]:
    """The ids of a removal list; none if there is no file.

    Raises:
        RemovalError: a line is wrong.
    """
    return frozenset(each.id for each in read_removals(path))

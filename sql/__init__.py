"""The SQL files as package data: table contracts, checks, statistics and graph queries; and quoting for SQL text.

See ``assets.lake.tables``, ``orchestration.quality``, ``assets.statistics.queries`` and ``assets.graph``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable


def statement(name: str) -> str:
    """The text of one file by its path below this package, without the suffix, e.g. ``graph/edges``.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def statements(folder: str) -> dict[str, str]:
    """The texts of all files below a folder, sorted by name; in ``statistics`` a name is e.g. ``videos/funnel``.

    Raises:
        FileNotFoundError: the folder holds no SQL file, e.g. because the package was installed without its data.
    """
    root = files(__name__).joinpath(folder)
    found = dict(_read(root)) if root.is_dir() else {}
    if not found:
        raise FileNotFoundError(f"{root}: holds no .sql file; install howto-lake again, with its package data")
    return found


def _read(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".sql"):
            yield prefix + entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8")


def literal(text: str) -> str:
    """A string as an SQL literal: ``it's`` becomes ``'it''s'``."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name of a table or column as an SQL identifier: ``order`` becomes ``"order"``."""
    return '"' + name.replace('"', '""') + '"'


def columns(names: Iterable[str]) -> str:
    """Names of columns as a list of SQL identifiers: ``"video_id", "rank"``."""
    return ", ".join(map(identifier, names))

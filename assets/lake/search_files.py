"""Searching every file of a folder for ids: Parquet and Lance by their rows, SQLite by its values, others by bytes."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from assets.lake.removals import ID_COLUMNS
from ml.array_history import stored_versions
from ml.lance_arrays import open_array
from ml.places import Place, reaching
from sql import identifier, literal

if TYPE_CHECKING:
    import lance

_WORD = "A-Za-z0-9_-"
_SQLITE = b"SQLite format 3\x00"
_AT_ONCE = 1 << 24


class Ids:
    """Some ids, as patterns that match them as whole words.

    An id of digits alone is searched in columns of ids only: in other places it is just a number.
    """

    def __init__(self, ids: Collection[str]) -> None:
        self.all = frozenset(ids)
        self.words = sorted(each for each in ids if not each.isdigit())
        alternatives = "|".join(map(re.escape, self.words)) or r"(?!)"
        self.text = re.compile(rf"(?<![{_WORD}])(?:{alternatives})(?![{_WORD}])")
        self.bytes = re.compile(self.text.pattern.encode())
        self.longest = max(map(len, self.words), default=0)
        words = "|".join(map(re.escape, self.words))
        self.without_lookaround = rf"(^|[^{_WORD}])({words})([^{_WORD}]|$)" if words else "$.^"
        """The pattern for DuckDB, which has no assertions about what is next to a match."""


def holders(folders: Iterable[Path], ids: Ids, skip: Collection[Path] = ()) -> Iterator[Path]:
    """The files below some folders that hold one of the ids, in their content or in their name."""
    skipped = {_identity(each) for each in skip if each.exists()}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if not (path.is_file() or path.suffix == ".lance") or _identity(path) in skipped:
                continue
            if ids.text.search(path.name) or holds_ids(path, ids):
                yield path


def _identity(path: Path) -> tuple[int, int]:
    """Of a file, whatever path leads to it."""
    status = path.stat()
    return status.st_dev, status.st_ino


def remote_holders(folder: Place, ids: Ids) -> Iterator[Place]:
    """The objects below a folder in object storage that hold one of the ids; each is fetched to be searched.

    Raises:
        StoreUnreachableError: object storage cannot be used.
    """
    with reaching(), tempfile.TemporaryDirectory() as scratch:
        for each in folder.rglob("*") if folder.exists() else ():
            if each.is_file() and not any(parent.suffix == ".lance" for parent in each.parents):
                copy = Path(scratch) / each.name
                copy.write_bytes(each.read_bytes())
                if ids.text.search(each.name) or holds_ids(copy, ids):
                    yield each
                copy.unlink()


def holds_ids(path: Path, ids: Ids) -> bool:
    """Whether a file, or the array in a folder, holds one of the ids."""
    if path.suffix == ".lance" and path.is_dir():
        return array_holds(path, ids)
    if any(parent.suffix == ".lance" for parent in path.parents):
        return False  # its rows are read above
    if path.suffix == ".parquet":
        try:
            return _parquet_holds(path, ids)
        except duckdb.Error:
            return True  # what cannot be read may hold it
    with path.open("rb") as file:
        is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    return _bytes_hold(path, ids) or (is_sqlite and _sqlite_holds(path, ids))


def _parquet_holds(path: Path, ids: Ids) -> bool:
    with duckdb.connect() as database:
        source = f"read_parquet({literal(str(path))}, hive_partitioning = false)"
        names = [row[0] for row in database.execute(f"DESCRIBE FROM {source}").fetchall()]
        of_ids = [name for name in names if name in ID_COLUMNS]
        tests = [f"CAST({identifier(name)} AS VARCHAR) IN (SELECT unnest($ids))" for name in of_ids]
        values: dict[str, object] = {"ids": sorted(ids.all)} if tests else {}
        if ids.words:
            values["pattern"] = ids.without_lookaround
            tests.append("regexp_matches(CAST(row AS VARCHAR), $pattern)")
        if not tests:
            return False
        query = f"SELECT count(*) FROM (SELECT row, * FROM {source} AS row) WHERE {' OR '.join(tests)}"
        return bool(database.execute(query, values).fetchall()[0][0])


def array_holds(path: Place, ids: Ids) -> bool:
    """Whether a stored version of an array holds one of the ids."""
    return any(_version_holds(open_array(path).checkout_version(version), ids) for version in stored_versions(path))


def _version_holds(data: lance.LanceDataset, ids: Ids) -> bool:
    texts = [each.name for each in data.schema if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)]
    batches = data.scanner(columns=texts).to_batches() if texts else ()
    values = (value for batch in batches for column in batch.columns for value in set(column.to_pylist()) if value)
    return any(map(ids.text.search, values))


def _bytes_hold(path: Path, ids: Ids) -> bool:
    with path.open("rb") as file:
        rest = b""
        while block := file.read(_AT_ONCE):
            if ids.bytes.search(rest + block):
                return True
            rest = block[-2 * ids.longest - 2 :]
    return False


def _sqlite_holds(path: Path, ids: Ids) -> bool:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = (row for table in tables for row in database.execute(f"SELECT * FROM {identifier(table)}"))
        return any(ids.text.search(text) for row in rows for text in map(text_of, row) if text)


def text_of(value: object) -> str:
    """The text in a value of SQLite: of a compressed one, what it was made from."""
    if isinstance(value, bytes):
        with suppress(zlib.error):
            value = zlib.decompress(value)
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, str) else ""

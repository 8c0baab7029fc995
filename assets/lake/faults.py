"""Faults of a lake as a whole: the catalog, the disk, the connections. Each is explained by place, cause and remedy.

See `damage` for single files of a table.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from assets.lake.extensions import LakeError
from assets.redaction import redact

_SQLITE = b"SQLite format 3\x00"
_PATH = re.compile(r"[\"']?(?<![:/\w])(/[^\"':]+?)[\"']?(?=[:\s,]|$)")

_FULL = "the disk is full", "make room, then run the same command again; what was made stays"
_READ_ONLY = "the disk or the file is read-only", "make it writable, or choose another folder with HOWTO_LAKE"
_FORBIDDEN = (
    "this user may not read or write it",
    "correct its owner or permissions, or choose another folder with HOWTO_LAKE",
)
_AGAIN = "check it with howto doctor, then run the same command again; what was made stays"
_RESTORE = "restore it with howto restore"
_REMEDIES = (_FULL[1], _READ_ONLY[1], _FORBIDDEN[1], _AGAIN, _RESTORE)
_FAULTS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"no space left|disk is full|disk quota|out of disk", re.IGNORECASE), *_FULL),
    (re.compile(r"read-only file system|readonly database|read-only database", re.IGNORECASE), *_READ_ONLY),
    (re.compile(r"permission denied", re.IGNORECASE), *_FORBIDDEN),
    (
        # DuckDB reads the catalog; a message of Python's SQLite is about another file, such as Dagster's records.
        re.compile(
            r"\A(?!.*\(sqlite3\.).*(?:malformed|not a database|no such table: ducklake|file is encrypted)",
            re.IGNORECASE | re.DOTALL,
        ),
        "the catalog is broken",
        _RESTORE,
    ),
)
_NOT_WRITTEN = re.compile(r"unable to open|disk i/o error|cannot open|could not (?:open|write)", re.IGNORECASE)
"""Messages of SQLite and DuckDB that do not say what is wrong with the disk."""
_LOST_CATALOG = re.compile(
    r"server closed the connection|terminating connection|connection refused|could not connect|connection to server|"
    r"no connection to the server|connection timed out|name or service not known|could not translate host",
    re.IGNORECASE,
)
_LOST_STORE = re.compile(
    r"HTTP Error|for HTTP (?:GET|PUT|POST|HEAD|DELETE)|could not establish connection|connection error for http|curl|"
    r"SSL connect|HTTP [45]\d\d",
    re.IGNORECASE,
)


def explain_fault(message: str, root: Path, catalog: str, data_path: str) -> str | None:
    """Place, cause and remedy of a fault of the lake as a whole; None where the message is about something else.

    Args:
        message: of an error of DuckDB, SQLite or the operating system, or an explanation, which is returned as it is.
        root: folder of the lake.
    """
    first = redact(message.strip().partition("\n")[0])
    if first.endswith(_REMEDIES):
        return first
    if not root.exists():
        return f"{root}: the folder of the lake was removed during use; restore it, or begin a new one"
    embedded = catalog.startswith("sqlite:")
    path = Path(catalog.removeprefix("sqlite:"))
    if embedded and not path.exists() and any(word in message for word in ("unable to open", "catalog", "disk I/O")):
        return f"{path}: the catalog was removed during use; {_RESTORE}"
    for pattern, cause, remedy in _FAULTS:
        if pattern.search(message):
            named = _PATH.search(message)
            place = named[1] if named else str(path if embedded and "catalog" in cause else root)
            return f"{place}: {cause} ({first}); {remedy}"
    if _NOT_WRITTEN.search(message) and (found := _state_of_disk(root)):
        return f"{root}: {found[0]} ({first}); {found[1]}"
    if data_path.startswith("s3://") and _LOST_STORE.search(message):
        where = f"HOWTO_DATA_PATH={redact(data_path)}"
        return f"{where}: the object store cannot be reached ({first}); {_AGAIN}"
    if not embedded and _LOST_CATALOG.search(message):
        return f"HOWTO_CATALOG: the connection to the catalog is lost ({first}); {_AGAIN}"
    return None


def _state_of_disk(root: Path) -> tuple[str, str] | None:
    """Cause and remedy if the folder cannot be written to."""
    disk = os.statvfs(root)
    if disk.f_flag & os.ST_RDONLY:
        return _READ_ONLY
    if disk.f_bavail == 0:
        return _FULL
    return None if os.access(root, os.W_OK) else _FORBIDDEN


def check_catalog(catalog: str, data_path: str) -> None:
    """Refuse an embedded catalog that would lose tables: a missing or empty one next to Parquet files, or a broken one.

    Raises:
        LakeError: naming the file, what is wrong with it, and what to do.
    """
    if not catalog.startswith("sqlite:"):
        return
    path = Path(catalog.removeprefix("sqlite:"))
    size = path.stat().st_size if path.exists() else 0
    if size == 0:
        stored = None if "://" in data_path else next(Path(data_path).rglob("*.parquet"), None)
        if stored is not None:
            state = "is empty" if path.exists() else "is missing"
            raise LakeError(
                f"{path}: {state}, but {data_path} holds tables; restore it with howto restore FOLDER, or move that"
                " folder away to begin a new lake"
            )
        return
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(_SQLITE):
        raise LakeError(f"{path}: is no SQLite database, so it is broken; restore it with howto restore FOLDER")
    page = int.from_bytes(header[16:18], "big")
    expected = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
    if size < expected and not path.with_name(f"{path.name}-wal").exists():
        raise LakeError(f"{path}: has {size} of {expected} bytes, so it is cut; restore it with howto restore FOLDER")

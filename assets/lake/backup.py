"""Backup and restore of a lake's catalog and tables: a consistent copy that can be opened by itself."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.lake.damage import damaged_files
from assets.lake.extensions import LakeError
from assets.lake.store import Lake
from assets.lake.tables import load_tables
from ml.files import file_hash, whole_file

MANIFEST = "backup.json"
_CATALOG, _TABLES = "catalog.sqlite", "tables"


class BackupError(LakeError):
    """A backup cannot be made or restored; the message names the file and the remedy."""


@dataclass(frozen=True)
class Copied:
    """What was copied: the snapshot, the number of files, and how many bytes were not there yet."""

    snapshot: int
    files: int
    new_bytes: int


def backup(lake: Lake, folder: Path, log: Callable[[str], object]) -> Copied:
    """Copy catalog and tables into a folder; what an earlier backup copied is not copied again.

    Writers may go on. Maintenance must not run: it deletes files.

    Raises:
        BackupError: the lake is not in local files, or a file is missing.
    """
    catalog, tables = _local(lake)
    folder.mkdir(parents=True, exist_ok=True)
    # The old manifest is of the old catalog: a backup that is interrupted here has none.
    (folder / MANIFEST).unlink(missing_ok=True)
    with whole_file(folder / _CATALOG) as new:
        _copy_catalog(catalog, new)
    stored = sorted(tables.rglob("*.parquet"))
    new_bytes = sum(_copy(path, folder / _TABLES / path.relative_to(tables)) for path in stored)
    copy = Lake(folder)
    try:
        _must_be_whole(copy)
        snapshot = copy.snapshot()
    finally:
        copy.close()
        shutil.rmtree(folder / "spill", ignore_errors=True)
    files = {str(path.relative_to(folder)): path.stat().st_size for path in (folder / _TABLES).rglob("*.parquet")}
    record = {
        "snapshot": snapshot,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "catalog_sha256": file_hash(folder / _CATALOG),
        "files": files,
    }
    with whole_file(folder / MANIFEST) as new:
        new.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    log(f"snapshot {snapshot}: {len(files)} files, {new_bytes:,} bytes of them new")
    return Copied(snapshot, len(files), new_bytes)


def restore(lake: Lake, folder: Path, log: Callable[[str], object]) -> Copied:
    """Put catalog and tables of a backup into a lake; its own catalog is set aside, and no file of it is deleted.

    Raises:
        BackupError: there is no whole backup, or the lake is not in local files.
    """
    catalog, tables = _local(lake, must_exist=False)
    record = read_manifest(folder)
    lake.close()
    new_bytes = sum(_copy(folder / name, tables / Path(name).relative_to(_TABLES)) for name in record["files"])
    for path in (catalog, *catalog.parent.glob(f"{catalog.name}-*")):
        if path.exists() and path.suffix != ".aside":
            aside = path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S}.aside")
            path.rename(aside)
            log(f"the catalog of before is now {aside}")
    with whole_file(catalog) as new:
        shutil.copyfile(folder / _CATALOG, new)
    _must_be_whole(lake)
    log(f"snapshot {record['snapshot']} is restored: {len(record['files'])} files, {new_bytes:,} bytes copied")
    return Copied(record["snapshot"], len(record["files"]), new_bytes)


def _local(lake: Lake, must_exist: bool = True) -> tuple[Path, Path]:
    """Catalog and folder of the tables, if both are local files."""
    if not lake.catalog.startswith("sqlite:") or "://" in lake.data_path:
        raise BackupError(
            "the lake is not in local files: use pg_dump for a catalog on PostgreSQL, and the versions of the bucket"
        )
    catalog = Path(lake.catalog.removeprefix("sqlite:"))
    if must_exist and not catalog.exists():
        raise BackupError(f"{catalog}: no lake is there; name one with --lake")
    return catalog, Path(lake.data_path)


def _copy_catalog(source: Path, target: Path) -> None:
    """A consistent copy in one file, whatever other processes write meanwhile."""
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _copy(source: Path, target: Path) -> int:
    """Copy a file that is not there in its size yet; the bytes that were copied."""
    size = source.stat().st_size
    if target.exists() and target.stat().st_size == size:
        return 0
    with whole_file(target) as new:
        shutil.copyfile(source, new)
    return size


def _must_be_whole(lake: Lake) -> None:
    damaged = [problem for table in load_tables() for problem in damaged_files(lake, table)]
    if damaged:
        raise BackupError(f"{damaged[0]}, and {len(damaged) - 1} more; run howto refresh, then the backup again")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The record of a whole backup.

    Raises:
        BackupError: it is not whole.
    """
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files, expected = dict(record["files"]), str(record["catalog_sha256"])
    except FileNotFoundError:
        raise BackupError(f"{folder / MANIFEST}: not found; name the folder of a finished howto backup") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{folder / MANIFEST}: broken ({error}); use another backup") from error
    for name, size in files.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            raise BackupError(f"{folder / name}: missing or cut; use another backup")
    if not (folder / _CATALOG).is_file() or file_hash(folder / _CATALOG) != expected:
        raise BackupError(f"{folder / _CATALOG}: not the catalog that the backup lists; use another backup")
    return dict(record)

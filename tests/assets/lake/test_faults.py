"""Faults of a lake as a whole name the place, the cause and the remedy; a backup brings the tables back."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from assets.lake import Lake, LakeError
from assets.lake.backup import MANIFEST, BackupError, backup, restore
from assets.retention import maintain
from orchestration.cli.errors import CANNOT_START, explain


@pytest.fixture
def filled(lake: Lake) -> Lake:
    for number in range(3):
        lake.write("evaluation_videos", pl.DataFrame({"video_id": [f"v{number}"], "benchmark": ["A"]}))
    lake.close()
    return lake


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (empty, r"catalog\.sqlite: is empty, but .*/tables/ holds tables; restore it with howto restore"),
        (Path.unlink, r"catalog\.sqlite: is missing, but .*/tables/ holds tables; restore it with howto restore"),
        (cut, r"catalog\.sqlite: has 5000 of \d+ bytes, so it is cut; restore it with howto restore"),
        (overwrite, r"catalog\.sqlite: is no SQLite database, so it is broken; restore it with howto restore"),
    ],
)
def test_a_damaged_catalog_is_refused_and_restored(
    filled: Lake, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    before = filled.version("evaluation_videos")
    backup(filled, tmp_path / "backup", print)
    filled.close()
    damage(filled.root / "catalog.sqlite")
    with pytest.raises(LakeError, match=message):
        filled.snapshot()
    restore(filled, tmp_path / "backup", print)
    assert filled.version("evaluation_videos") == before and filled.snapshot() == 3
    assert filled.sql("FROM evaluation_videos AT (VERSION => 2)").fetchall() == [("v1", "A")], "history"


def test_a_backup_copies_only_what_is_new_and_opens_by_itself(filled: Lake, tmp_path: Path) -> None:
    first = backup(filled, tmp_path / "backup", print)
    filled.write("evaluation_videos", pl.DataFrame({"video_id": ["v9"], "benchmark": ["A"]}))
    second = backup(filled, tmp_path / "backup", print)
    assert (second.files, second.snapshot) == (first.files + 1, first.snapshot + 1)
    assert 0 < second.new_bytes < first.new_bytes
    shutil.rmtree(filled.root)
    assert Lake(tmp_path / "backup").sql("SELECT video_id FROM evaluation_videos").fetchall() == [("v9",)]


@pytest.mark.parametrize("damage", [lambda folder: (folder / MANIFEST).unlink(), lambda folder: cut_a_table(folder)])
def test_a_backup_that_is_not_whole_is_refused(filled: Lake, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    backup(filled, tmp_path / "backup", print)
    damage(tmp_path / "backup")
    with pytest.raises(BackupError, match=r"not found; name the folder|missing or cut; use another backup"):
        restore(filled, tmp_path / "backup", print)
    assert filled.snapshot() == 3


def cut_a_table(folder: Path) -> None:
    file = next((folder / "tables").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:10])


def test_a_lake_that_is_removed_during_use_is_named(filled: Lake) -> None:
    filled.snapshot()
    shutil.rmtree(filled.root)
    with pytest.raises((duckdb.Error, OSError)) as error:
        filled.write("evaluation_videos", pl.DataFrame({"video_id": ["v1"], "benchmark": ["A"]}))
    assert "the folder of the lake was removed during use" in str(filled.explain(error.value))


def test_a_clock_that_was_set_back_stops_maintenance(filled: Lake) -> None:
    filled.close()
    with sqlite3.connect(filled.root / "catalog.sqlite") as catalog:
        ahead = datetime.now(UTC) + timedelta(days=2)
        catalog.execute("UPDATE ducklake_snapshot SET snapshot_time = ? WHERE snapshot_id = 3", (str(ahead),))
    catalog.close()
    with pytest.raises(LakeError, match="so it was set back; correct the clock"):
        maintain(filled, datetime.now(UTC))


@pytest.mark.parametrize(
    ("catalog", "message", "said"),
    [
        (
            None,
            'IO Error: Could not write file "/a/b.parquet": No space left on device',
            "/a/b.parquet: the disk is full",
        ),
        (None, "database or disk is full (see: https://sqlalche.me/e/21/e3q8)", "{root}: the disk is full"),
        (None, "attempt to write a readonly database", "the disk or the file is read-only"),
        (None, "database disk image is malformed", "the catalog is broken"),
        ("postgres:password=x", "server closed the connection unexpectedly", "HOWTO_CATALOG: the connection"),
        ("postgres:password=x", "HTTP Error: Unable to connect to s3", "HOWTO_DATA_PATH=s3://b/: the object store"),
    ],
)
def test_a_fault_is_named_with_its_remedy(tmp_path: Path, catalog: str | None, message: str, said: str) -> None:
    lake = Lake(tmp_path, catalog, "s3://b/" if catalog else None)
    (tmp_path / "catalog.sqlite").touch()
    explained = str(lake.explain(message))
    assert said.format(root=tmp_path) in explained and ";" in explained
    assert lake.explain(explained) == explained
    assert lake.explain("Binder Error: column x not found") is None
    assert lake.explain("(sqlite3.DatabaseError) database disk image is malformed") is None


def test_a_full_disk_is_one_line_for_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOWTO_LAKE", str(tmp_path))
    full = OSError(28, "No space left on device", str(tmp_path / "models" / "x"))
    line, code = explain(full) or ("", 0)
    assert code == CANNOT_START and "the disk is full" in line and "make room" in line

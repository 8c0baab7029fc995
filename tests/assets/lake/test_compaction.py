"""Compaction: fewer files with the same contents, in the declared order."""

from __future__ import annotations

import json
import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.lake import Commit, Lake
from assets.lake.compaction import compact
from assets.lake.expiry import expire
from tests.assets.lake.test_lake import clips


def append_by_another_program(lake: Lake, shard: str, times: int, rows: int = 40) -> None:
    """As any DuckDB that attaches the lake can: unordered rows, one file per statement."""
    for turn in range(times):
        frame = clips(shard, rows, start_s=1000.0 * turn).sample(fraction=1, shuffle=True, seed=turn)  # noqa: F841
        lake.connection.execute("INSERT INTO lake.clips BY NAME FROM frame")


def files(lake: Lake, shard: str | None = None) -> list[str]:
    found = lake.sql("SELECT data_file FROM ducklake_list_files('lake', 'clips')").fetchall()
    return [name for (name,) in found if shard is None or f"shard={shard}" in name]


def disordered(lake: Lake, file: str) -> int:
    """Rows of a file whose key is below that of the row before."""
    query = (
        "SELECT count(*) FROM (SELECT (video_id, clip_index) < lag((video_id, clip_index))"
        f" OVER (ORDER BY file_row_number) AS disordered"
        f" FROM read_parquet('{file}', file_row_number = true)) WHERE disordered"
    )
    return int(lake.sql(query).fetchall()[0][0])


def test_many_small_files_become_one_per_partition_in_the_order_of_the_key(lake: Lake) -> None:
    for shard in ("shard-0000", "shard-0001"):
        lake.write("clips", clips(shard, 30), shard)
    append_by_another_program(lake, "shard-0000", times=6)
    before, version = lake.snapshot(), lake.version("clips")
    assert len(files(lake, "shard-0000")) == 7
    earlier = {number: lake.sql(f"SELECT count(*) FROM clips AT (VERSION => {number})").fetchall() for number in (3, 5)}

    lines: list[str] = []
    assert compact(lake, lines.append) == {"files_replaced": 7, "files_made": 1}
    assert lines == ["clips: 7 files replaced by 1"]
    assert len(files(lake, "shard-0000")) == len(files(lake, "shard-0001")) == 1
    assert not any(disordered(lake, file) for file in files(lake))
    assert lake.version("clips") == version
    for number, rows in earlier.items():
        assert lake.sql(f"SELECT count(*) FROM clips AT (VERSION => {number})").fetchall() == rows

    after = lake.snapshot()
    assert after > before and compact(lake) == {"files_replaced": 0, "files_made": 0}
    assert lake.snapshot() == after, "nothing to do makes no snapshot"


def test_files_with_many_deleted_rows_are_written_again(lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 300), "shard-0000")
    lake.connection.execute("DELETE FROM lake.clips WHERE clip_index % 2 = 0")
    version = lake.version("clips")
    assert compact(lake)["files_replaced"] == 1 and lake.version("clips") == version
    [(deleted,)] = lake.sql("SELECT count(delete_file) FROM ducklake_list_files('lake', 'clips')").fetchall()
    assert deleted == 0


def test_a_table_from_before_the_order_was_declared_gets_it(lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 30), "shard-0000")
    lake.connection.execute("ALTER TABLE lake.clips RESET SORTED BY")
    append_by_another_program(lake, "shard-0000", times=2)
    compact(lake)
    assert [disordered(lake, file) for file in files(lake)] == [0]


def test_replacing_partitions_many_times_leaves_one_file_each(lake: Lake) -> None:
    for turn in range(12):
        lake.write("clips", clips(f"shard-{turn % 3:04d}", 30, start_s=turn), f"shard-{turn % 3:04d}")
    assert len(files(lake)) == 3
    expire(lake, datetime.now(UTC) + timedelta(seconds=1))
    assert len(list(lake.root.glob("tables/**/*.parquet"))) == 3


def _compact(root: Path) -> None:
    while True:
        compact(Lake(root))


@pytest.mark.campaign
def test_a_killed_compaction_loses_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("clips", clips("shard-0000", 30), "shard-0000")
    append_by_another_program(lake, "shard-0000", times=20)
    version = lake.version("clips")
    for pause in (0.1, 0.3, 0.6, 1.0):
        process = multiprocessing.get_context("spawn").Process(target=_compact, args=(tmp_path,))
        process.start()
        time.sleep(1.5 + pause)
        process.kill()
        process.join()
        assert lake.version("clips") == version
        append_by_another_program(lake, "shard-0000", times=3)
        version = lake.version("clips")
    compact(lake)
    assert len(files(lake)) == 1 and lake.version("clips") == version


def test_a_snapshot_names_its_author_and_its_purpose(lake: Lake) -> None:
    lake.write("clips", clips("shard-0000", 3), "shard-0000")
    lake.write("clips", clips("shard-0000", 4), "shard-0000", commit=Commit("clips again", "a test", {"run_id": None}))
    found = lake.sql("SELECT author, commit_message, commit_extra_info FROM lake.snapshots() ORDER BY snapshot_id DESC")
    (*later, details), earlier = found.fetchmany(2)
    assert later == ["a test", "clips again"] and json.loads(details) == {"run_id": None}
    assert earlier == ("howto-lake", "clips[shard-0000]", None)

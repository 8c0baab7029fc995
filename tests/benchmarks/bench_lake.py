"""The lake compared with plain Parquet files written by Polars, and its cost by the number of snapshots and writers."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from assets.lake import Lake
from assets.lake.expiry import expire
from tests.benchmarks.results import Table

ROWS_PER_SHARD = 250_000
SHARDS = 8
SNAPSHOTS = (10, 1_000, 10_000)
MOST_SNAPSHOTS = int(10_000 * float(os.environ.get("BENCH_SHARE", "0.1")))
WRITERS = 4
WRITES = 12


def shard_of_clips(index: int) -> pl.DataFrame:
    """A shard with the averages of HowTo100M (section 3): 110 clips per video, 4 s and 4 words per clip."""
    rows = pl.int_range(ROWS_PER_SHARD, eager=True)
    return pl.DataFrame({"row": rows}).select(
        pl.lit(f"shard-{index:04d}").alias("shard"),
        pl.format("video-{}-{}", pl.lit(index), pl.col("row") // 110).alias("video_id"),
        (pl.col("row") % 110).alias("clip_index"),
        (pl.col("row") % 110 * 4.0).alias("start_s"),
        (pl.col("row") % 110 * 4.0 + 4.0).alias("end_s"),
        pl.format("stir word{} word{} bowl", pl.col("row") % 977, pl.col("row") % 31).alias("caption"),
        pl.format("stir word{} word{} bowl", pl.col("row") % 977, pl.col("row") % 31).alias("caption_clean"),
        pl.lit(4).alias("word_count"),
        pl.lit(None, pl.List(pl.Float64)).alias("word_starts_s"),
        pl.lit(None, pl.Int64).alias("sentence_index"),
        pl.lit("asr").alias("caption_source"),
        pl.lit("en").alias("language"),
        pl.lit(None, pl.Float64).alias("language_probability"),
    )


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """Median of several runs in seconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def test_lake_and_plain_parquet(tmp_path: Path, table: Callable[..., Table]) -> None:
    lake = Lake(tmp_path / "lake")
    shards = [shard_of_clips(index) for index in range(SHARDS)]
    for frame in shards:
        lake.write("clips", frame, frame["shard"][0])
        frame.write_parquet(tmp_path / f"{frame['shard'][0]}.parquet", compression="zstd")
    changing = [shards[0].with_columns(pl.col("word_count") + turn) for turn in range(6)]

    def replace_in_lake() -> None:
        lake.write("clips", changing.pop(), "shard-0000")

    def replace_file() -> None:
        shards[0].sort("video_id", "clip_index").write_parquet(tmp_path / "shard-0000.parquet", compression="zstd")

    wanted = pl.col("video_id") == "video-3-77"
    work = {
        "replace 1 of 8 partitions, 250,000 rows": (replace_in_lake, replace_file),
        "read the clips of 1 video out of 2 million": (
            lambda: lake.read("clips").pl(lazy=True).filter(wanted).collect(),
            lambda: pl.scan_parquet(tmp_path / "*.parquet").filter(wanted).collect(),
        ),
        "mean length of 2 million clips": (
            lambda: lake.sql("SELECT avg(end_s - start_s) FROM clips").fetchall(),
            lambda: (
                pl.scan_parquet(tmp_path / "*.parquet").select((pl.col("end_s") - pl.col("start_s")).mean()).collect()
            ),
        ),
    }
    measured = table("Lake and plain Parquet", "operation", "lake s", "Parquet s", "ratio")
    for name, (ours, plain) in work.items():
        mine, theirs = seconds(ours), seconds(plain)
        measured.add(name, mine, theirs, mine / theirs)


def test_cost_by_number_of_snapshots(tmp_path: Path, table: Callable[..., Table]) -> None:
    """1,000 snapshots by default, 10,000 with ``BENCH_SHARE=1``. Each replaces one of 8 partitions of 100 rows.

    The last row is measured after ``maintain_lake`` has expired all but the newest snapshot.
    """
    columns = ("attach ms", "replace ms", "read ms", "list snapshots ms", "CPU ms per snapshot", "files", "catalog MB")
    measured = table("Cost by number of snapshots", "snapshots", *columns)
    lake = Lake(tmp_path)
    rows = shard_of_clips(0).head(100)
    for shard in range(SHARDS):
        lake.write("clips", rows.with_columns(shard=pl.lit(f"shard-{shard:04d}")), f"shard-{shard:04d}")
    for count in (count for count in SNAPSHOTS if count <= MOST_SNAPSHOTS):
        started, before = time.process_time(), lake.snapshot()
        for turn in range(before, count):
            _replace_directly(lake, rows, turn)
        each = (time.process_time() - started) / max(count - before, 1)
        measured.add(f"{lake.snapshot():,}", *_costs(lake, rows), 1000 * each, *_sizes(lake))
    expire(lake, datetime.now(UTC))
    measured.add("after maintenance", *_costs(lake, rows), None, *_sizes(lake))


def _replace_directly(lake: Lake, rows: pl.DataFrame, turn: int) -> None:
    """A replacement without the comparison of contents, which does not depend on the number of snapshots."""
    shard = f"shard-{turn % SHARDS:04d}"
    new = rows.with_columns(shard=pl.lit(shard), start_s=pl.lit(float(turn)), end_s=pl.lit(turn + 1.0))  # noqa: F841
    lake.connection.execute("BEGIN")
    lake.connection.execute("DELETE FROM lake.clips WHERE shard = ?", [shard])
    lake.connection.execute("INSERT INTO lake.clips BY NAME FROM new")
    lake.connection.execute("COMMIT")


def _costs(lake: Lake, rows: pl.DataFrame) -> list[float]:
    """Milliseconds to attach, to replace a partition, to read one, and to list all snapshots."""

    def attach() -> None:
        again = Lake(lake.root)
        again.snapshot()
        again.close()

    changing = [rows.with_columns(shard=pl.lit("shard-0000"), word_count=pl.lit(turn + 10)) for turn in range(6)]
    work = (
        attach,
        lambda: lake.write("clips", changing.pop(), "shard-0000"),
        lambda: lake.read("clips", ["shard-0001"]).fetchall(),
        lambda: lake.sql("FROM lake.snapshots()").fetchall(),
    )
    return [1000 * seconds(each) for each in work]


def _sizes(lake: Lake) -> tuple[int, float]:
    size = sum(each.stat().st_size for each in lake.root.glob("catalog.sqlite*"))
    return len(list(lake.root.glob("tables/**/*.parquet"))), size / 1e6


class RollbackJournal(Lake):
    """A lake whose embedded catalog has SQLite's defaults."""

    def opening(self, read_only: bool = False) -> Iterator[str]:
        for statement in super().opening(read_only):
            yield statement.replace(", META_BUSY_TIMEOUT 60000, META_JOURNAL_MODE 'WAL'", "")


def test_writers_at_once(tmp_path: Path, table: Callable[..., Table]) -> None:
    """Each writer replaces its own partition, without a pause; SQLite's catalog takes one commit at a time."""
    measured = table("Four writers at once", "journal of the catalog", "writes", "median s", "longest s")
    for name, kind in (("write-ahead log", Lake), ("rollback journal", RollbackJournal)):
        lake = kind(tmp_path / name)
        lake.write("clips", shard_of_clips(0).head(1000), "shard-0000")
        lake.close()
        with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
            of_writers = pool.starmap(_write_often, [(kind, lake.root, writer) for writer in range(WRITERS)])
        waits = [wait for each in of_writers for wait in each]
        measured.add(name, len(waits), statistics.median(waits), max(waits))


def _write_often(kind: type[Lake], root: Path, writer: int) -> list[float]:
    """Seconds of each of several replacements of a partition."""
    lake, taken = kind(root), []
    lake.snapshot()
    frame = shard_of_clips(writer).head(1000)
    for turn in range(WRITES):
        started = time.perf_counter()
        lake.write("clips", frame.with_columns(pl.col("word_count") + turn), f"shard-{writer:04d}")
        taken.append(time.perf_counter() - started)
    return taken

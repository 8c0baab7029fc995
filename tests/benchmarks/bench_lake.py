"""The lake compared with plain Parquet files written by Polars: the cost of transactions and snapshots."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from assets.lake import Lake
from tests.benchmarks.results import Table

ROWS_PER_SHARD = 250_000
SHARDS = 8


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

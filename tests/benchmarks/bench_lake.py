"""The lake beside plain Parquet files written by Polars: the price of transactions and snapshots, in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from assets.lake import Lake

ROWS_OF_A_SHARD = 250_000
SHARDS = 8


def shard_of_clips(index: int) -> pl.DataFrame:
    """A shard at HowTo100M's distributions: 110 clips a video of 4 s and 4 words (section 3 of the paper)."""
    rows = pl.int_range(ROWS_OF_A_SHARD, eager=True)
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
    """Median of several runs."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def test_the_lake_beside_plain_parquet(tmp_path: Path) -> None:
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
        "replace 1 of 8 partitions, 250 k rows": (replace_in_lake, replace_file),
        "one video's clips of 2 M": (
            lambda: lake.read("clips").pl(lazy=True).filter(wanted).collect(),
            lambda: pl.scan_parquet(tmp_path / "*.parquet").filter(wanted).collect(),
        ),
        "mean clip length of 2 M": (
            lambda: lake.sql("SELECT avg(end_s - start_s) FROM clips").fetchall(),
            lambda: (
                pl.scan_parquet(tmp_path / "*.parquet").select((pl.col("end_s") - pl.col("start_s")).mean()).collect()
            ),
        ),
    }
    print(f"\n{'work':40} {'lake s':>8} {'parquet s':>10} {'ratio':>6}")
    for name, (ours, plain) in work.items():
        mine, theirs = seconds(ours), seconds(plain)
        print(f"{name:40} {mine:8.3f} {theirs:10.3f} {mine / theirs:6.2f}")

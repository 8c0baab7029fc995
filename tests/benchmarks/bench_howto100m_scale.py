"""Statistics and import of captions at HowTo100M's size: time and memory at 1, 10 and 100 % of it.

The data is synthetic, with the averages of the paper (section 3.2): 1.22 million videos, 136.6 million clips of 4 s,
4 words without stop words, words by Zipf's law over 100,000. The default is up to 10 %; ``BENCH_SHARE=1`` is all of it
and needs 9 GB of disk. ``BENCH_FOLDER`` keeps the generated data, so that a stopped run continues.

Every measurement is a process of its own, with two threads and 600 MB for DuckDB. Its peak memory includes imports.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.lake import Lake, load_tables
from assets.sources.howto100m_release.captions import LINES, find_entries, read_entries
from assets.sources.howto100m_release.export import tracks_of, write_caption_json
from assets.statistics.queries import compute
from assets.tasks.categories import WIKIHOW_CATEGORIES
from ml.memory_counters import resident_mib
from ml.text.tokens import stop_words
from sql import literal, statements
from tests.benchmarks.results import Table

SHARDS = 1200
VIDEOS_PER_SHARD = 1017
TASKS = 23_611
WORDS = 100_000
SHARDS_PER_COMMIT = 10
WHOLE_SCANS = ("spoken_words", "top_words")
"""Statistics that read all text; the others read numbers only."""

QUALITY_OF_CLIPS = """
SELECT shard, video_id, clip_index, hash(clip_index) % 3 AS cuts,
    hash(video_id, clip_index) % 1000 / 1000 AS brightness, hash(clip_index, video_id) % 1000 AS sharpness,
    hash(start_s) % 1000 / 1000 AS motion, word_count / 4 AS words_per_s,
    CASE WHEN word_count >= 5 THEN 'en' END AS spoken_language, NULL AS spoken_language_probability,
    hash(end_s) % 10 > 0 AS kept, CASE WHEN NOT kept THEN 'motion below 0.1' END AS reason
FROM clips
"""
SHOTS_OF_CLIPS = """
SELECT DISTINCT shard, video_id, clip_index // 4 AS shot_index, 13.6 * shot_index AS start_s, start_s + 13.6 AS end_s,
    CASE WHEN shot_index > 0 THEN ['cut', 'dissolve', 'fade'][1 + shot_index % 3] END AS transition,
    CASE WHEN shot_index > 0 THEN 0.5 END AS transition_s, '' AS measured_from
FROM clips
"""

SHARE = float(os.environ.get("BENCH_SHARE", "0.1"))
SHARES = [share for share in (0.01, 0.1, 1.0) if share <= SHARE]


# -- the data ---------------------------------------------------------------------------------------------------------


def vocabulary() -> pl.Series:
    """Generated words of two to nine letters, the same in every run."""
    random = np.random.default_rng(0)
    letters = random.integers(97, 123, (WORDS, 9), dtype=np.uint8).tobytes().decode()
    lengths = random.integers(2, 10, WORDS).tolist()
    return pl.Series([letters[9 * i : 9 * i + length] for i, length in enumerate(lengths)])


def drawn(words: pl.Series, count: int, random: np.random.Generator) -> pl.Series:
    """Words by Zipf's law: the k-th is sampled 1/k as often as the first."""
    return words.gather(np.exp(random.random(count) * np.log(len(words))).astype(np.int64).clip(1, len(words)) - 1)


def clips_of_shard(index: int, words: pl.Series) -> pl.DataFrame:
    """The clips of a thousand videos: about 112 per video, 4 s each, one every 3.4 s, a stop word before each word."""
    random = np.random.default_rng(index)
    clips = np.exp(random.normal(4.538, 0.6, VIDEOS_PER_SHARD)).astype(np.int64).clip(1, 1000)
    count = int(clips.sum())
    clip_index = np.concatenate([np.arange(n) for n in clips])
    lengths = random.poisson(3, count) + 1
    stops = pl.Series(sorted(stop_words()))
    spoken = {}
    for k in range(8):
        spoken[f"stop_{k}"] = drawn(stops, count, random)
        spoken[f"word_{k}"] = drawn(words, count, random)
    said = [pl.when(pl.col("words") > int(name[-1])).then(name) for name in spoken]
    start_s = np.round(3.4 * clip_index + random.random(count), 2)
    return (
        pl.DataFrame(spoken)
        .with_columns(words=lengths)
        .select(
            pl.lit(f"shard-{index:04d}").alias("shard"),
            pl.Series("video_id", np.repeat([f"{index:04d}-{n:06d}" for n in range(VIDEOS_PER_SHARD)], clips)),
            pl.Series("clip_index", clip_index),
            pl.Series("start_s", start_s),
            pl.Series("end_s", start_s + np.round(random.gamma(4, 1, count).clip(0.1), 2)),
            pl.concat_str(said, separator=" ", ignore_nulls=True).alias("caption"),
            pl.concat_str(said[1::2], separator=" ", ignore_nulls=True).alias("caption_clean"),
            pl.Series("word_count", 2 * lengths.clip(max=8)),
            pl.lit("asr").alias("caption_source"),
            pl.lit("en").alias("language"),
        )
    )


def complete(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the other columns of the table: NULL, or a value of their type."""
    values = {"VARCHAR": "", "BIGINT": 1, "DOUBLE": 0.0, "BOOLEAN": True, "TIMESTAMP WITH TIME ZONE": datetime.now(UTC)}
    columns = load_tables()[table].columns
    return frame.select(
        pl.col(c.name) if c.name in frame.columns else pl.lit(None if c.nullable else values.get(c.type)).alias(c.name)
        for c in columns
    )


def fill(folder: Path, share: float, until: float = float("inf")) -> Lake:
    """A lake of that share of HowTo100M. It continues a stopped one, and stops after ``until`` (monotonic seconds)."""
    lake = Lake(folder / f"{share:g}")
    words = vocabulary()
    shards = max(1, round(SHARDS * share))
    if not lake.has("clips"):
        lake.write("clips", complete("clips", clips_of_shard(0, words)), "shard-0000")
    done = lake.sql("SELECT count(DISTINCT shard) FROM clips").fetchall()[0][0]
    for first in range(done, shards, SHARDS_PER_COMMIT):
        if time.monotonic() < until:
            indexes = range(first, min(first + SHARDS_PER_COMMIT, shards))
            made = pl.concat([complete("clips", clips_of_shard(index, words)) for index in indexes])
            # Like Lake.write, but for several shards at a time; rows are generated in the order of the key.
            lake.connection.register("made", made).execute("INSERT INTO clips FROM made")
    if not lake.has("feature_index"):
        for table, frame in small_tables(shards, share):
            lake.write(table, complete(table, frame))
    return lake


def measure_frames(lake: Lake) -> None:
    """Fill ``clip_quality`` and ``shots`` for all clips, with a shot per four clips. It continues a stopped call."""
    for table, rows in (("clip_quality", QUALITY_OF_CLIPS), ("shots", SHOTS_OF_CLIPS)):
        if not lake.has(table):
            lake.write(table, load_tables()[table].frame([]))
        left = f"SELECT DISTINCT shard FROM clips WHERE shard NOT IN (SELECT shard FROM {table}) ORDER BY shard"
        shards = [shard for (shard,) in lake.sql(left).fetchall()]
        for first in range(0, len(shards), SHARDS_PER_COMMIT):
            named = ", ".join(map(literal, shards[first : first + SHARDS_PER_COMMIT]))
            lake.connection.execute(f"INSERT INTO {table} BY NAME {rows} WHERE shard IN ({named})")


def small_tables(shards: int, share: float) -> Iterator[tuple[str, pl.DataFrame]]:
    """The tables with one row per task or per video, with the columns that the statistics read."""
    random = np.random.default_rng(1)
    tasks = max(1, round(TASKS * share))
    categories = pl.Series(WIKIHOW_CATEGORIES).gather(random.integers(0, len(WIKIHOW_CATEGORIES), tasks))
    task = pl.DataFrame({"task_id": [str(n) for n in range(tasks)], "category_1": categories})
    yield (
        "tasks",
        task.with_columns(category_2=pl.col("category_1") + pl.Series(random.integers(0, 11, tasks)).cast(str)),
    )
    of_task = random.integers(0, tasks, shards * VIDEOS_PER_SHARD)
    video = pl.DataFrame(
        {
            "shard": np.repeat([f"shard-{n:04d}" for n in range(shards)], VIDEOS_PER_SHARD),
            "video_id": [f"{s:04d}-{n:06d}" for s in range(shards) for n in range(VIDEOS_PER_SHARD)],
            "task_id": task["task_id"].gather(of_task),
            "category_1": task["category_1"].gather(of_task),
            "rank": random.integers(1, 201, shards * VIDEOS_PER_SHARD),
            "duration_s": random.gamma(2, 195, shards * VIDEOS_PER_SHARD),
            "status": "ok",
            "source": "asr",
            "word_count": 900,
        }
    )
    for table in ("candidate_videos", "videos", "caption_fetches", "video_files", "feature_index"):
        yield table, video
    yield "chapters", load_tables()["chapters"].frame([])


def write_captions(path: Path, megabytes: int) -> None:
    """A ``raw_caption.json`` of at least that size."""
    words = vocabulary()

    def lines() -> Iterator[pl.DataFrame]:
        for index in range(SHARDS):
            yield clips_of_shard(index, words).select("video_id", "start_s", "end_s", text="caption")

    def tracks() -> Iterator[tuple]:
        size = 0
        for track in (track for frame in lines() for track in tracks_of(frame)):
            yield track
            size += 40 + sum(map(len, track[3])) + 18 * len(track[3])
            if size > megabytes * 1e6:
                return

    write_caption_json(tracks(), path)


# -- the measurements, each in a process of its own -------------------------------------------------------------------


def run_statistic(folder: str, statistic: str) -> object:
    lake = Lake(Path(folder))
    lake.connection.execute("SET threads = 2")
    lake.connection.execute("SET memory_limit = '600MB'")
    return compute(lake, "videos", statistic).height


def run_import(path: str) -> object:
    """Read every line into frames of the table's form."""
    lines = 0
    for batch in read_entries(Path(path), find_entries(Path(path))):
        assert batch.lines.schema == LINES and batch.problems.is_empty()
        lines += batch.lines.height
    return lines


def run_json_load(path: str) -> object:
    """The peer: the whole file as Python objects."""
    with Path(path).open() as file:
        return sum(len(video["text"]) for video in json.load(file).values())


WORK: dict[str, Callable[..., object]] = {"statistic": run_statistic, "import": run_import, "json.load": run_json_load}


def in_a_process(work: str, *arguments: str, script: str = __file__) -> dict[str, Any]:
    """Wall and CPU seconds of the work and the peak memory of its process in MiB; or the last line of its error."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, script, work, *arguments]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(root), "POLARS_MAX_THREADS": "2"}, capture_output=True, text=True
    )
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(work: Callable[..., object], *arguments: str) -> None:
    """Do the work and print what it cost, for ``in_a_process``."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": resident_mib("VmHWM"), "result": result}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    kept = os.environ.get("BENCH_FOLDER")
    if kept:
        yield Path(kept)
        return
    made = tmp_path_factory.mktemp("scale")
    yield made
    shutil.rmtree(made)


def test_statistics_at_size(folder: Path, table: Callable[..., Table]) -> None:
    sizes = table("Synthetic lakes of HowTo100M's proportions", "share", "clips", "GB on disk", "generation s")
    columns = ("share", "limit s", "wall s", "CPU s", "peak MiB", "error")
    measured = table("Statistics on them", "statistic", *columns)
    for share in SHARES:
        began = time.perf_counter()
        lake = fill(folder, share)
        clips, size = lake.sql("SELECT count(*) FROM clips").fetchall()[0][0], lake.bytes("clips")
        sizes.add(f"{share:.0%}", clips, size / 1e9, time.perf_counter() - began)
        measure_frames(lake)
        lake.close()
        for statistic in statements("statistics/videos"):
            limit = 60 if statistic in WHOLE_SCANS else 5
            cost = in_a_process("statistic", str(folder / f"{share:g}"), statistic)
            measured.add(
                statistic, f"{share:.0%}", limit, *(cost.get(name) for name in ("wall", "cpu", "peak", "error"))
            )
    assert not any(row[-1] for row in measured.rows), "a statistic failed"


def test_import_of_captions(folder: Path, table: Callable[..., Table]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    imported = table("Import of a caption file", "method", "MB", "lines", "MB/s", "MB per CPU s", "peak MiB")
    for megabytes in (100, 1000):
        path = folder / f"raw_caption_{megabytes}.json"
        if not path.exists():
            write_captions(path, megabytes)
        size = path.stat().st_size / 1e6
        for work in ("import", "json.load") if megabytes == 100 else ("import",):
            cost = in_a_process(work, str(path))
            imported.add(work, size, cost["result"], size / cost["wall"], size / cost["cpu"], cost["peak"])


if __name__ == "__main__":
    measure(WORK[sys.argv[1]], *sys.argv[2:])

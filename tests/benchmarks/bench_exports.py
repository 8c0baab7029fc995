"""A Hugging Face export at HowTo100M's size compared with a plain DuckDB COPY of the same rows: time and memory.

The lake is that of ``bench_howto100m_scale``: ``BENCH_SHARE`` of 1.2 million videos and 136 million clips, by default a
tenth. ``BENCH_FOLDER`` keeps it. Both are processes of their own in which DuckDB has the threads and the memory of an
export; their peak memory includes imports.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from assets.exports.hugging_face import export_hugging_face
from assets.exports.records import RECORD_SETS
from assets.exports.session import MEMORY, THREADS, Division
from assets.lake import Lake
from assets.sharding import Sharding
from assets.splits import SplitOptions
from sql import columns, literal
from tests.benchmarks.bench_howto100m_scale import SHARE, fill, folder, in_a_process, measure
from tests.benchmarks.results import Table

__all__ = ["folder"]


class ByPrefix(Sharding):
    """The generated ids begin with the number of their shard."""

    def shard_of(self, video_id: str) -> str:
        return f"shard-{video_id[:4]}"


def opened(root: str) -> Lake:
    lake = Lake(Path(root))
    lake.connection.execute(f"SET threads = {THREADS}")
    lake.connection.execute(f"SET memory_limit = {literal(MEMORY)}")
    return lake


def run_export(root: str, target: str) -> object:
    division = Division(SplitOptions(), ByPrefix())
    files = export_hugging_face(opened(root), Path(target), division, progress=lambda line: None)
    return sum(file.rows for file in files)


def run_copy(root: str, target: str) -> object:
    lake, rows = opened(root), 0
    Path(target).mkdir()
    for records in RECORD_SETS:
        condition = records.condition.format(videos="videos")
        query = f"SELECT {columns(column.name for column in records.columns)} FROM {records.name} WHERE {condition}"
        path = literal(f"{target}/{records.name}.parquet")
        copied = lake.connection.execute(
            f"COPY ({query}) TO {path} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )
        rows += copied.fetchall()[0][0]
    return rows


WORK: dict[str, Callable[..., object]] = {"export": run_export, "COPY": run_copy}


def test_hugging_face_export_and_plain_copy(folder: Path, table: Callable[..., Table]) -> None:
    fill(folder, SHARE).close()
    for file in folder.rglob("*.parquet"):  # so that both read from the page cache
        file.read_bytes()
    measured = table(
        f"Export of {SHARE:.0%} of HowTo100M's size", "method", "rows", "minutes", "CPU minutes", "peak MiB", "GB"
    )
    for work in WORK:
        target = folder / f"target-{time.time_ns()}"
        cost = in_a_process(work, str(folder / f"{SHARE:g}"), str(target), script=__file__)
        assert "error" not in cost, cost
        size = sum(path.stat().st_size for path in target.rglob("*.parquet"))
        measured.add(work, cost["result"], cost["wall"] / 60, cost["cpu"] / 60, cost["peak"], size / 1e9)
        shutil.rmtree(target)


if __name__ == "__main__":
    measure(WORK[sys.argv[1]], *sys.argv[2:])

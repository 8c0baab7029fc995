"""Parquet files of a record set, one per split and group of video shards; all splits of a group in one pass.

A pass per split would read and decompress the group three times, which doubles the time of an export.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from assets.exports.records import Group, RecordSet, first_places_of_splits, id_groups, shard_groups
from assets.exports.writer import PlannedFile
from assets.lake.snapshot import Snapshot

ROW_GROUP = 122_880
VIDEO_WIDTH = 5
"""Clips that take as much memory as one video."""
_LEVEL = 3  # of zstd, as DuckDB's
_TEXTS = ("caption", "caption_clean")
"""Columns whose values hardly repeat. Looking for repeated ones would take a fifth of the time of writing."""


def parquet_files(
    snapshot: Snapshot, records: RecordSet, rows_per_file: int, folder: Path, executor: Executor
) -> Iterator[PlannedFile]:
    """The files ``data/<table>/<split>-<group>-of-<groups>.parquet`` of an export to ``folder``.

    ``executor`` has two threads: the files of a group are written while the rows of the next one are read.
    """
    groups = _groups(snapshot, records, rows_per_file)
    writer = _Writer(
        snapshot.lake.connection,
        records,
        [snapshot.bind(records.query_of_group(group)) for group in groups],
        first_places_of_splits(snapshot) if records.by_split else [],
        folder,
        executor,
    )
    for index in range(len(groups)):
        for split in records.splits:
            path = f"data/{records.name}/{split}-{index:05d}-of-{len(groups):05d}.parquet"
            yield PlannedFile(path, partial(writer.move, index, split))
        writer.clear(index)


def _groups(snapshot: Snapshot, records: RecordSet, rows_per_file: int) -> list[Group]:
    if not records.by_split:
        return [Group()]
    if records.is_sharded:
        return list(shard_groups(snapshot, rows_per_file))
    # A row of a video is longer than one of a clip, and a group is held in memory.
    return list(id_groups(snapshot, -(-snapshot.rows(records.name) * VIDEO_WIDTH // rows_per_file)))


@dataclass
class _Writer:
    """Writes the files of all splits of a group when the first one is requested, and those of the next one meanwhile.

    ``connection`` is that of the thread which made the table ``video_splits``: other threads do not see it. What an
    interrupted export left in the folder of a group is written again.
    """

    connection: DuckDBPyConnection
    records: RecordSet
    queries: Sequence[str]
    first_places: Sequence[int]
    folder: Path
    executor: Executor
    lock: Lock = field(default_factory=Lock)
    groups: dict[int, Future[None]] = field(default_factory=dict)

    def move(self, index: int, split: str, target: Path) -> int:
        """Move the file of a split to its place; returns its number of rows."""
        for each in (index, index + 1):
            if each < len(self.queries) and each not in self.groups:
                self.groups[each] = self.executor.submit(self._write, each)
        self.groups[index].result()
        path = self._scratch(index) / f"{split}.parquet"
        rows = int(pq.read_metadata(path).num_rows)
        path.replace(target)
        return rows

    def clear(self, index: int) -> None:
        shutil.rmtree(self._scratch(index), ignore_errors=True)

    def _scratch(self, index: int) -> Path:
        return self.folder / f".{self.records.name}-{index:05d}"

    def _write(self, index: int) -> None:
        self.clear(index)
        with self.lock:
            table, of_split = self._read(index)
        scratch = self._scratch(index)
        scratch.mkdir(parents=True)
        for split, numbers in of_split.items():
            _write_file(scratch / f"{split}.parquet", table, numbers)

    def _read(self, index: int) -> tuple[pa.Table, dict[str, npt.NDArray[np.int64]]]:
        """The rows of a group as they are stored, and the numbers of the rows of each split in the order of its file.

        Numbers are sorted instead of rows: DuckDB's sort of whole rows took a third of the CPU time of an export.
        """
        table = self.connection.sql(self.queries[index]).to_arrow_table().combine_chunks()
        # lexsort begins with the last column.
        order = np.lexsort([table[name].to_numpy() for name in reversed(self.records.order)])
        table, places = table.drop_columns(["place"]), table["place"].to_numpy()[order]
        ends = np.searchsorted(places, self.first_places)
        return table, dict(zip(self.records.splits, np.split(order, ends), strict=True))


def _write_file(path: Path, table: pa.Table, numbers: npt.NDArray[np.int64]) -> None:
    """Write rows by their numbers, with row groups of one size."""
    repeated = [
        field.name for field in table.schema if field.name not in _TEXTS and not pa.types.is_floating(field.type)
    ]
    with pq.ParquetWriter(
        path, table.schema, compression="zstd", compression_level=_LEVEL, use_dictionary=repeated
    ) as file:
        for first in range(0, len(numbers), ROW_GROUP):
            file.write_table(table.take(numbers[first : first + ROW_GROUP]), ROW_GROUP)

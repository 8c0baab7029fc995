"""Parquet files of a record set, one per split and group of video shards; all splits of a group in one pass.

A pass per split would read and decompress the group three times, which doubles the time of an export.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.exports.records import RecordSet, shard_groups
from assets.exports.writer import PlannedFile
from assets.lake.snapshot import Snapshot

ROW_GROUP = 122_880
VIDEO_WIDTH = 5
"""Clips that take as much memory as one video."""
_LEVEL = 3  # of zstd, as DuckDB's
_TEXTS = ("caption", "caption_clean")
"""Columns whose values hardly repeat. Looking for repeated ones would take a fifth of the time of writing."""


def parquet_files(snapshot: Snapshot, records: RecordSet, rows_per_file: int, folder: Path) -> Iterator[PlannedFile]:
    """The files ``data/<table>/<split>-<group>-of-<groups>.parquet`` of an export to ``folder``."""
    groups: list[tuple[str, ...]] = [()]
    if records.by_split:
        # A row of a video is longer than one of a clip, and sorting takes memory.
        rows = rows_per_file if records.is_sharded else max(rows_per_file // VIDEO_WIDTH, 1)
        groups = list(shard_groups(snapshot, rows, records.name))
    for index, shards in enumerate(groups):
        group = _Group(snapshot, records, shards, folder / f".{records.name}-{index:05d}")
        for split in records.splits:
            path = f"data/{records.name}/{split}-{index:05d}-of-{len(groups):05d}.parquet"
            yield PlannedFile(path, partial(group.move, split))
        group.clear()


@dataclass
class _Group:
    """The files of one group, which are all written when the first one is requested.

    What an interrupted export left in ``scratch`` is written again.
    """

    snapshot: Snapshot
    records: RecordSet
    shards: tuple[str, ...]
    scratch: Path
    is_written: bool = False

    def move(self, split: str, target: Path) -> int:
        """Move the file of a split to its place; returns its number of rows."""
        if not self.is_written:
            self.clear()
            self._write()
            self.is_written = True
        path = self.scratch / f"{split}.parquet"
        rows = int(pq.read_metadata(path).num_rows)
        path.replace(target)
        return rows

    def clear(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _write(self) -> None:
        connection = self.snapshot.lake.connection
        rows = connection.sql(self.snapshot.bind(self.records.query_of_splits(self.shards)))
        reader = rows.to_arrow_reader(ROW_GROUP)
        self.scratch.mkdir(parents=True)
        schema = reader.schema.remove(reader.schema.get_field_index("split"))
        files = {split: _File(self.scratch / f"{split}.parquet", schema) for split in self.records.splits}
        for batch in reader:
            for split, part in _by_split(batch):
                files[split].add(part)
        for file in files.values():
            file.close()


class _File:
    """A Parquet file with row groups of one size, however its rows arrive, so that its bytes are always the same."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        repeated = [field.name for field in schema if field.name not in _TEXTS and not pa.types.is_floating(field.type)]
        self.writer = pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=_LEVEL, use_dictionary=repeated
        )
        self.waiting = schema.empty_table()

    def add(self, rows: pa.Table) -> None:
        self.waiting = pa.concat_tables([self.waiting, rows])
        while self.waiting.num_rows >= ROW_GROUP:
            self.writer.write_table(self.waiting.slice(0, ROW_GROUP), ROW_GROUP)
            self.waiting = self.waiting.slice(ROW_GROUP)

    def close(self) -> None:
        if self.waiting.num_rows:
            self.writer.write_table(self.waiting, ROW_GROUP)
        self.writer.close()


def _by_split(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each split of a batch that is sorted by split, without that column."""
    splits, rows = batch["split"], pa.Table.from_batches([batch]).drop_columns(["split"])
    first = 0
    while first < len(splits):
        split = splits[first]
        count = pc.sum(pc.equal(splits.slice(first), split)).as_py()
        yield split.as_py(), rows.slice(first, count)
        first += count

"""The record sets of an exported data set, derived from the contracts of the lake's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from assets.lake import Column, Table, load_tables
from assets.lake.snapshot import Snapshot
from assets.splits import SplitOptions, splits_of_videos
from sql import columns as column_list
from sql import literal

SPLITS = ("train", "validation", "test")

_LAYOUT = frozenset({"shard", "kept", "reason", "duplicate_of"})
"""Columns that say how the lake stores or judges a row. They are the same for all rows that are exported."""


@dataclass(frozen=True)
class RecordSet:
    """The rows of one lake table that belong to the data set.

    Args:
        name: name of the table.
        condition: SQL condition of the rows; ``{videos}`` is the table of videos at the exported snapshot.
        by_split: whether the rows are divided by the split of their video.
    """

    name: str
    condition: str
    by_split: bool

    @property
    def contract(self) -> Table:
        return load_tables()[self.name]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The exported columns, in the order of the contract."""
        return tuple(column for column in self.contract.columns if column.name not in _LAYOUT)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key that are exported."""
        return tuple(name for name in self.contract.primary_key if name not in _LAYOUT)

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits. Rows that are not divided are in the split train, as is usual."""
        return SPLITS if self.by_split else ("train",)

    def query(self, split: str, shards: tuple[str, ...] = ()) -> str:
        """The rows of one split as SQL over a snapshot, sorted by the key; ``shards`` leaves out all others."""
        conditions = [self.condition]
        if self.by_split:
            conditions.append(f"video_id IN (SELECT video_id FROM video_splits WHERE split = {literal(split)})")
        if shards:
            conditions.append(f"shard IN ({', '.join(map(literal, shards))})")
        selected = column_list(column.name for column in self.columns)
        return (
            f"SELECT {selected} FROM {{{self.name}}} WHERE {' AND '.join(conditions)} ORDER BY {column_list(self.key)}"
        )


RECORD_SETS = (
    RecordSet("tasks", "kept", by_split=False),
    RecordSet("videos", "kept", by_split=True),
    RecordSet("clips", "video_id IN (SELECT video_id FROM {videos} WHERE kept)", by_split=True),
)


def video_splits(snapshot: Snapshot, options: SplitOptions) -> pl.DataFrame:
    """The split of each video of the data set: video_id, split."""
    video_ids = snapshot.sql("SELECT video_id FROM {videos} WHERE kept")["video_id"]
    splits = splits_of_videos(video_ids, options)
    return pl.DataFrame({"video_id": list(splits), "split": list(splits.values())}, {"video_id": str, "split": str})


def shard_groups(snapshot: Snapshot, table: str, rows_per_group: int) -> Iterator[tuple[str, ...]]:
    """Consecutive shards of a table that hold about ``rows_per_group`` rows together."""
    group: list[str] = []
    rows = 0
    for shard, count in snapshot.sql(f"SELECT shard, count(*) FROM {{{table}}} GROUP BY ALL ORDER BY shard").rows():
        if group and rows + count > rows_per_group:
            yield tuple(group)
            group, rows = [], 0
        group.append(shard)
        rows += count
    yield tuple(group)

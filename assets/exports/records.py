"""The record sets of an exported data set, derived from the contracts of the lake's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from assets.lake import Column, Table, load_tables
from assets.lake.snapshot import Snapshot
from assets.sharding import Sharding
from assets.splits import SplitOptions, splits_in_order
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
    def is_sharded(self) -> bool:
        """Whether the table is partitioned by video shard, so that a condition on the shard reads less."""
        return "shard" in self.contract.column_types

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
        conditions = [] if self.by_split else [self.condition]  # only videos of the data set have a split
        listed = f"({', '.join(map(literal, shards))})"
        if self.by_split:
            chosen = f"split = {literal(split)}" + (f" AND shard IN {listed}" if shards else "")
            conditions.append(f"video_id IN (SELECT video_id FROM video_splits WHERE {chosen})")
        if shards and self.is_sharded:
            conditions.append(f"shard IN {listed}")
        selected = column_list(column.name for column in self.columns)
        return (
            f"SELECT {selected} FROM {{{self.name}}} WHERE {' AND '.join(conditions)} ORDER BY {column_list(self.key)}"
        )

    def query_of_splits(self, shards: tuple[str, ...] = ()) -> str:
        """The rows of all splits as SQL over a snapshot, with the column ``split``, sorted by split and key."""
        selected = column_list(column.name for column in self.columns)
        if not self.by_split:
            query = f"SELECT {selected}, 'train' AS split FROM {{{self.name}}} WHERE {self.condition}"
            return f"{query} ORDER BY {column_list(self.key)}"
        listed = f"shard IN ({', '.join(map(literal, shards))})" if shards else "true"
        of_rows = listed if self.is_sharded else "true"
        # Sorting by the number of a video takes less time than by its id.
        ordered = column_list("place" if name == "video_id" else name for name in self.key)
        return (
            f"SELECT {selected}, split FROM (FROM {{{self.name}}} WHERE {of_rows}) AS chosen"
            f" JOIN (SELECT video_id, split, place FROM video_splits WHERE {listed}) AS splits USING (video_id)"
            f" ORDER BY split, {ordered}"
        )


_VIDEOS_AT_ONCE = 100_000
_ROWS_OF_SHARDS = {
    "clips": (
        "SELECT shard, (SELECT count(*) FROM {clips} AS clips WHERE clips.shard = shards.shard)"
        " FROM (SELECT DISTINCT shard FROM video_splits) AS shards ORDER BY shard"
    ),
    "videos": "SELECT shard, count(*) FROM video_splits GROUP BY shard ORDER BY shard",
}
"""The rows of each video shard, by table."""

TASKS = RecordSet("tasks", "kept", by_split=False)
VIDEOS = RecordSet("videos", "kept", by_split=True)
CLIPS = RecordSet("clips", "video_id IN (SELECT video_id FROM {videos} WHERE kept)", by_split=True)
RECORD_SETS = (TASKS, VIDEOS, CLIPS)


def write_video_splits(snapshot: Snapshot, options: SplitOptions, sharding: Sharding) -> None:
    """Create the temporary table ``video_splits``: video_id, split and shard of each video of the data set.

    ``place`` is the number of the video in the order of the ids. Rows are made some at a time, because those of a
    million videos would take most of the memory of an export.
    """
    connection = snapshot.lake.connection
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE video_splits (video_id VARCHAR, split VARCHAR, shard VARCHAR, place BIGINT)"
    )
    video_ids = snapshot.sql("SELECT video_id FROM {videos} WHERE kept ORDER BY video_id")["video_id"]
    splits = splits_in_order(video_ids, options)
    for first in range(0, len(video_ids), _VIDEOS_AT_ONCE):
        some = video_ids.slice(first, _VIDEOS_AT_ONCE)
        rows = pl.DataFrame(
            {
                "video_id": some,
                "split": splits[first : first + _VIDEOS_AT_ONCE],
                "shard": some.map_elements(sharding.shard_of, return_dtype=pl.String),
                "place": range(first, first + len(some)),
            }
        )
        connection.register("some_splits", rows.to_arrow())
        connection.execute("INSERT INTO temp.video_splits FROM some_splits")
        connection.unregister("some_splits")


def shard_groups(snapshot: Snapshot, rows_per_group: int, table: str = "clips") -> Iterator[tuple[str, ...]]:
    """Consecutive video shards that hold about ``rows_per_group`` clips, or videos, together."""
    counts = snapshot.sql(_ROWS_OF_SHARDS[table])
    group: list[str] = []
    rows = 0
    for shard, count in counts.rows():
        if group and rows + count > rows_per_group:
            yield tuple(group)
            group, rows = [], 0
        group.append(shard)
        rows += count
    yield tuple(group)

"""The record sets of an exported data set, derived from the contracts of the lake's tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt
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
class Group:
    """Videos whose rows are read together: those of some shards (without any: of all), in a range of ids."""

    shards: tuple[str, ...] = ()
    first: str | None = None
    end: str | None = None

    def condition(self, is_sharded: bool = True) -> str:
        """SQL condition of their rows in a table; without the column ``shard`` the table may hold other rows too."""
        conditions = [f"shard IN ({', '.join(map(literal, self.shards))})"] if is_sharded and self.shards else []
        conditions += [f"video_id >= {literal(self.first)}"] if self.first is not None else []
        conditions += [f"video_id < {literal(self.end)}"] if self.end is not None else []
        return " AND ".join(conditions) or "true"


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

    def query(self, split: str, group: Group = Group()) -> str:
        """The rows of one split of a group as SQL over a snapshot, sorted by the key."""
        condition = self.condition
        if self.by_split:  # only videos of the data set have a split
            videos = f"SELECT video_id FROM video_splits WHERE split = {literal(split)} AND {group.condition()}"
            condition = f"video_id IN ({videos}) AND {group.condition(self.is_sharded)}"
        selected = column_list(column.name for column in self.columns)
        return f"SELECT {selected} FROM {{{self.name}}} WHERE {condition} ORDER BY {column_list(self.key)}"

    def query_of_group(self, group: Group) -> str:
        """The rows of all splits of a group as SQL over a snapshot, in any order, with the column ``place``.

        ``place`` is that of the row's video in ``video_splits``, or of the row itself if rows are not divided.
        """
        selected = column_list(column.name for column in self.columns)
        if not self.by_split:
            place = f"row_number() OVER (ORDER BY {column_list(self.key)}) AS place"
            return f"SELECT {selected}, {place} FROM {{{self.name}}} WHERE {self.condition}"
        return (
            f"SELECT {selected}, place FROM (FROM {{{self.name}}} WHERE {group.condition(self.is_sharded)}) AS chosen"
            f" JOIN (SELECT video_id, place FROM video_splits WHERE {group.condition()}) AS splits USING (video_id)"
        )

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that sort the rows of ``query_of_group`` by split and key."""
        return ("place", *(name for name in self.key if self.by_split and name != "video_id"))


_VIDEOS_AT_ONCE = 100_000
_CLIPS_OF_SHARDS = """
SELECT shard, (SELECT count(*) FROM {clips} AS clips WHERE clips.shard = shards.shard)
FROM (SELECT DISTINCT shard FROM video_splits) AS shards ORDER BY shard
"""

TASKS = RecordSet("tasks", "kept", by_split=False)
VIDEOS = RecordSet("videos", "kept", by_split=True)
CLIPS = RecordSet("clips", "video_id IN (SELECT video_id FROM {videos} WHERE kept)", by_split=True)
RECORD_SETS = (TASKS, VIDEOS, CLIPS)


def write_video_splits(snapshot: Snapshot, options: SplitOptions, sharding: Sharding) -> None:
    """Create the temporary table ``video_splits``: video_id, split and shard of each video of the data set.

    ``place`` is the number of the video in the order of the splits and, within a split, of the ids. Rows are made some
    at a time, because those of a million videos would take most of the memory of an export.
    """
    connection = snapshot.lake.connection
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE video_splits (video_id VARCHAR, split VARCHAR, shard VARCHAR, place BIGINT)"
    )
    video_ids = snapshot.sql("SELECT video_id FROM {videos} WHERE kept ORDER BY video_id")["video_id"]
    splits = splits_in_order(video_ids, options)
    places = _places(splits)
    for first in range(0, len(video_ids), _VIDEOS_AT_ONCE):
        some = video_ids.slice(first, _VIDEOS_AT_ONCE)
        rows = pl.DataFrame(
            {
                "video_id": some,
                "split": splits[first : first + _VIDEOS_AT_ONCE],
                "shard": some.map_elements(sharding.shard_of, return_dtype=pl.String),
                "place": places[first : first + _VIDEOS_AT_ONCE],
            }
        )
        connection.register("some_splits", rows.to_arrow())
        connection.execute("INSERT INTO temp.video_splits FROM some_splits")
        connection.unregister("some_splits")


def _places(splits: Sequence[str]) -> npt.NDArray[np.int64]:
    """The position of each video after a stable sort by split."""
    order = np.argsort([SPLITS.index(split) for split in splits], kind="stable")
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places


def first_places_of_splits(snapshot: Snapshot) -> list[int]:
    """The place of the first video of each split but the first."""
    videos = dict(snapshot.sql("SELECT split, count(*) FROM video_splits GROUP BY split").rows())
    return list(accumulate(videos.get(split, 0) for split in SPLITS[:-1]))


def shard_groups(snapshot: Snapshot, clips_per_group: int) -> Iterator[Group]:
    """Consecutive video shards that hold about so many clips together; a shard with more is divided by ids.

    Without videos there is one empty group.
    """
    counts = snapshot.sql(_CLIPS_OF_SHARDS).rows()
    if not counts:
        yield Group()
    shards: list[str] = []
    clips = 0
    for shard, count in counts:
        if shards and clips + count > clips_per_group:
            yield Group(tuple(shards))
            shards, clips = [], 0
        parts = round(count / clips_per_group)
        if parts > 1:
            yield from id_groups(snapshot, parts, Group((shard,)))
        else:
            shards.append(shard)
            clips += count
    if shards:
        yield Group(tuple(shards))


def id_groups(snapshot: Snapshot, parts: int, whole: Group = Group()) -> Iterator[Group]:
    """A group in at most ``parts`` ranges of ids, so that a table in this order is read once in all.

    Without videos there is one empty group.
    """
    video_ids = snapshot.sql(f"SELECT video_id FROM video_splits WHERE {whole.condition()} ORDER BY video_id")
    if video_ids.is_empty():
        yield whole
    starts = video_ids["video_id"].gather_every(max(-(-video_ids.height // max(parts, 1)), 1))
    for index, first in enumerate(starts):
        yield Group(whole.shards, first, starts[index + 1] if index + 1 < len(starts) else None)

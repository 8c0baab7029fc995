"""Lance arrays as artifacts: features, clip-caption pairs, HERO's clips, embeddings of clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from assets.features.index import index_version
from assets.features.store import FeatureArray
from assets.lake import Lake
from ml.array_history import damaged_data
from ml.lance_arrays import require_reachable
from ml.places import Place, remove_tree
from orchestration.artifacts.protocol import UNREADABLE, Resources


@dataclass(frozen=True)
class FeatureArrays:
    """The feature arrays of one shard, one per stream."""

    resources: tuple[str, ...] = ("features", "feature_options")
    description: str = "The rows of each video are adjacent in each feature array."

    def version(self, resources: Resources, partition: str | None) -> str | None:
        return index_version(resources["features"], resources["feature_options"].streams, str(partition))

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        streams, store = resources["feature_options"].streams, resources["features"]
        return [each for stream in streams for each in damaged_data(store.array(stream, str(partition)).path)]

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        counts = {}
        for stream in resources["feature_options"].streams:
            index = resources["features"].array(stream, str(partition)).index()
            counts[f"rows of a video are adjacent in {stream}"] = int(index["video_id"].is_duplicated().sum())
        return {rule: count for rule, count in counts.items() if count}

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Remove rows that are not those of ``feature_index``: an extraction keeps the rows that it finds."""
        shard, lake = str(partition), resources["lake"]
        indexed = lake.read("feature_index", [shard]).pl() if lake.has("feature_index") else None
        for stream in resources["feature_options"].streams:
            array = resources["features"].array(stream, shard)
            if not _removed(array.path, array.index) and indexed is not None:
                _remove_damaged_rows(array, indexed.filter(pl.col("stream") == stream))


def _remove_damaged_rows(array: FeatureArray, indexed: pl.DataFrame) -> None:
    """Remove videos whose rows have another hash than recorded; rows of another network are not compared."""
    both = array.index().join(indexed, on=["video_id", "extractor"], suffix="_recorded")
    damaged = set(both.filter(pl.col("content_hash") != pl.col("content_hash_recorded"))["video_id"])
    if damaged:
        array.finish([source for source in array.finished() if source.video_id not in damaged])


@dataclass(frozen=True)
class ShardArrays:
    """The array of one shard that a table indexes.

    Args:
        store: resource of the arrays.
        table: table that indexes them.
        counted: SQL that counts in the table the rows that the array must have.
        description: what the schema check verifies.
    """

    store: str
    table: str
    counted: str
    description: str

    @property
    def resources(self) -> tuple[str, ...]:
        return (self.store, "lake")

    def version(self, resources: Resources, partition: str | None) -> str | None:
        version: str | None = resources[self.store].version_of(str(partition))
        return version

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        return damaged_data(resources[self.store].path(str(partition)))

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        expected = _number(resources["lake"], self.table, self.counted, partition)
        difference = abs(resources[self.store].open(str(partition)).count_rows() - expected)
        return {f"the array has the rows that {self.table} lists": difference} if difference else {}

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Remove an array that cannot be read, because it cannot be overwritten either."""
        shard, store = str(partition), resources[self.store]
        _removed(store.path(shard), lambda: store.version_of(shard))


@dataclass(frozen=True)
class ClipEmbeddings:
    """The embeddings of all clips."""

    resources: tuple[str, ...] = ("clip_index", "lake")
    description: str = "Every pair of training_manifest has an embedding."

    def version(self, resources: Resources, partition: str | None) -> str | None:
        version: str | None = resources["clip_index"].version()
        return version

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        return damaged_data(resources["clip_index"].path)

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        expected = _number(resources["lake"], "training_manifest", "coalesce(sum(pairs), 0)")
        difference = abs(len(resources["clip_index"]) - expected)
        return {"every pair of training_manifest has an embedding": difference} if difference else {}

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Remove embeddings that cannot be read, because they cannot be overwritten either."""
        index = resources["clip_index"]
        _removed(index.path, index.version)


@dataclass(frozen=True)
class NarrationPassages:
    """The passages of the narration, with their words or their vectors.

    Args:
        array: resource of the array.
    """

    array: str
    description: str = "Every clip has a passage."

    @property
    def resources(self) -> tuple[str, ...]:
        return (self.array, "lake")

    def version(self, resources: Resources, partition: str | None) -> str | None:
        version: str | None = resources[self.array].version()
        return version

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        return damaged_data(resources[self.array].path)

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        difference = abs(len(resources[self.array]) - _number(resources["lake"], "clips", "count(*)"))
        return {"every clip has a passage": difference} if difference else {}

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Remove passages that cannot be read, because they cannot be overwritten either."""
        array = resources[self.array]
        _removed(array.path, array.version)


def _number(lake: Lake, table: str, expression: str, partition: str | None = None) -> int:
    rows = lake.read(table, [partition] if partition else None)
    return int(rows.aggregate(expression).fetchall()[0][0])


def _removed(path: Place, read: Callable[[], object]) -> bool:
    """Whether an array could not be read and was therefore removed.

    Raises:
        StoreUnreachableError: object storage cannot be used; nothing was removed.
    """
    try:
        read()
    except UNREADABLE as error:
        require_reachable(error)
        remove_tree(path)
        return True
    return False

"""What has to run, in which order, and why.

"Out of date" is Dagster's own rule (code and data versions of the inputs). "Damaged" means that the lake no longer
holds the content that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.events import DagsterEventType
from dagster._core.loader import LoadingContextForTest

from assets.lake import Lake, load_tables
from assets.metadata import table_of
from assets.outcomes import due
from orchestration.artifacts import stored_version
from orchestration.selection import resolve_selection

_MANY_PARTITIONS = 100
"""From so many upstream partitions on, Dagster compares no data versions; then the order of events decides."""

SOURCE_CHECKED = "sources are always checked"


@dataclass(frozen=True)
class Step:
    """Assets that one computation makes together, and one partition of them."""

    keys: tuple[dg.AssetKey, ...]
    partition: str | None

    @property
    def name(self) -> str:
        """The assets, without the partition."""
        return " + ".join(key.to_user_string() for key in self.keys)

    def __str__(self) -> str:
        return f"{self.name} [{self.partition}]" if self.partition else self.name


class Plan:
    """The steps of a selection of assets, and the reason for each that has to run. It changes nothing."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.defs, self.instance = defs, instance
        self.graph = defs.resolve_asset_graph()
        self.lake: Lake = defs.resources["lake"]  # type: ignore[index]

    def computations(self, selection: str | None) -> list[tuple[dg.AssetKey, ...]]:
        """Assets that are made together, each after its inputs (selection None: ``EVERYTHING``).

        Raises:
            SelectionError: the selection is wrong or selects nothing.
        """
        chosen = resolve_selection(selection, self.graph)
        return list(self._in_order(chosen))

    def _in_order(self, chosen: set[dg.AssetKey]) -> Iterator[tuple[dg.AssetKey, ...]]:
        seen: set[dg.AssetKey] = set()
        for key in self.graph.toposorted_asset_keys:
            if key in chosen and key not in seen:
                keys = tuple(sorted(self.graph.get(key).execution_set_asset_keys or {key}))
                seen |= set(keys)
                yield keys

    def parents(self, keys: tuple[dg.AssetKey, ...]) -> set[dg.AssetKey]:
        """The inputs of a computation."""
        return set().union(*(self.graph.get(key).parent_keys for key in keys))

    def steps(self, keys: tuple[dg.AssetKey, ...]) -> list[Step]:
        """The partitions of a computation."""
        return [Step(keys, partition) for partition in self._partitions(keys[0])]

    def _partitions(self, key: dg.AssetKey) -> list[str | None]:
        definition = self.graph.get(key).partitions_def
        return list(definition.get_partition_keys()) if definition else [None]

    def why(self, step: Step) -> str | None:
        """Why a step has to run, or None if what is stored is what it would make."""
        if not self.parents(step.keys) and self.graph.get(step.keys[0]).group_name == "sources":
            return SOURCE_CHECKED
        resolver = CachingStaleStatusResolver(self.instance, self.graph, LoadingContextForTest(self.instance))
        for key in step.keys:
            status = resolver.get_status(key, step.partition)
            if status == StaleStatus.MISSING:
                return "not made yet"
            if status == StaleStatus.STALE:
                causes = resolver.get_stale_causes(key, step.partition)
                return "; ".join(sorted({f"{cause.asset_key.to_user_string()}: {cause.reason}" for cause in causes}))
            if newer := self._newer_input(key):
                return f"{newer} is newer"
            if stored_version(self.defs, key, step.partition) != self.recorded_version(key, step.partition):
                return f"{key.to_user_string()}: the lake holds other content than was recorded"
            if waiting := self._due(key, step.partition):
                return f"{key.to_user_string()}: {waiting} due to be requested again"
        return None

    def recorded_version(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """The content version that Dagster recorded when an asset was made last."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
        ).records
        tags = records[0].asset_materialization.tags if records and records[0].asset_materialization else {}
        return (tags or {}).get("dagster/data_version")

    def outcomes(self, keys: tuple[dg.AssetKey, ...]) -> Iterator[pl.DataFrame]:
        """The stored rows of a computation's tables of requests: status, next_try_at, error."""
        for key in keys:
            table = self._requests_of(key)
            if table is not None and self.lake.has(table):
                yield self.lake.read(table).pl(lazy=True).select("status", "next_try_at", "error").collect()

    def _due(self, key: dg.AssetKey, partition: str | None) -> int:
        """How many rows of an asset's table wait for a request that is due by now."""
        table = self._requests_of(key)
        if table is None:
            return 0
        rows = self.lake.read(table, [partition] if partition else None).pl(lazy=True)
        return int(due(rows, datetime.now(UTC)).select(pl.len()).collect().item())

    def _requests_of(self, key: dg.AssetKey) -> str | None:
        """The table of an asset, if its rows are outcomes of requests."""
        table = load_tables().get(table_of(key.path[-1], self.graph.get(key).metadata))
        return table.name if table is not None and "next_try_at" in table.column_types else None

    def _newer_input(self, key: dg.AssetKey) -> str | None:
        """An input of many partitions of which one was made after ``key``."""
        made = self._latest_event(key)
        for parent in self.graph.get(key).parent_keys:
            if self.graph.get(key).partitions_def or len(self._partitions(parent)) < _MANY_PARTITIONS:
                continue
            latest = self.instance.get_latest_storage_id_by_partition(parent, DagsterEventType.ASSET_MATERIALIZATION)
            if made and max(latest.values(), default=0) > made:
                return parent.to_user_string()
        return None

    def _latest_event(self, key: dg.AssetKey) -> int | None:
        records = self.instance.fetch_materializations(key, limit=1).records
        return records[0].storage_id if records else None

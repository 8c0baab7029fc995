"""What has to run, in which order, and why.

``Staleness`` decides what is out of date. "Damaged" means that the lake no longer holds the content that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from assets.lake import Lake, load_tables
from assets.metadata import table_of
from assets.outcomes import due
from orchestration.artifacts import damage, stored_version
from orchestration.selection import resolve_selection
from orchestration.staleness import Staleness

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
        self.staleness = Staleness(self.graph, instance)
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
        self.staleness.forget({*keys, *self.parents(keys)})
        return [Step(keys, partition) for partition in self.staleness.partitions(keys[0])]

    def why(self, step: Step) -> str | None:
        """Why a step has to run, or None if what is stored is what it would make."""
        if not self.parents(step.keys) and self.graph.get(step.keys[0]).group_name == "sources":
            return SOURCE_CHECKED
        for key in step.keys:
            if reason := self.staleness.reason(key, step.partition):
                return reason
            if damaged := damage(self.defs, key, step.partition):
                return f"{key.to_user_string()}: damaged: {damaged[0]}"
            if stored_version(self.defs, key, step.partition) != self.recorded_version(key, step.partition):
                return f"{key.to_user_string()}: the lake holds other content than was recorded"
            if waiting := self._due(key, step.partition):
                return f"{key.to_user_string()}: {waiting} due to be requested again"
        return None

    def recorded_version(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """The content version that Dagster recorded when an asset was made last."""
        made = self.staleness.latest(key).get(partition)
        return made.data_version if made else None

    def has_run(self, step: Step) -> None:
        """Take into account that a run has made a step."""
        for key in step.keys:
            self.staleness.read_again(key, step.partition)

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

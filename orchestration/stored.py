"""What is stored of each asset: damage, that is other content than Dagster recorded, and requests that are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import duckdb
import polars as pl

from assets.lake import Lake, load_tables
from assets.lake.damage import damaged_files, readable_partitions
from assets.metadata import table_of
from assets.outcomes import due
from orchestration.artifacts import Artifact, Resources, artifact_of, damaged_partitions

EVALUATION_S = 15.0
"""Seconds that one evaluation of automation spends on comparing content; Dagster allows it 60 in all."""

Recorded = Mapping[str | None, tuple[int, str | None]]


@dataclass(frozen=True)
class Due:
    """Requests of a partition that are to be repeated by now: their number, and the earliest time of one in seconds."""

    requests: int
    since: float


class Stored:
    """What the lake holds of some assets.

    Args:
        recheck_s: seconds after which the content is read and compared again, a part of the assets per evaluation;
            None: all is compared once.
    """

    def __init__(self, specs: Iterable[dg.AssetSpec], resources: Resources, recheck_s: float | None = None) -> None:
        specs = list(specs)
        self._artifacts: dict[dg.AssetKey, Artifact] = {spec.key: artifact_of(spec) for spec in specs}
        self._requests = {spec.key: table for spec in specs if (table := _table_of_requests(spec))}
        self._resources, self._recheck_s = resources, recheck_s
        self._spent_s = 0.0
        self._checked: dict[dg.AssetKey, tuple[float, dict[tuple[str | None, int], str]]] = {}

    @property
    def lake(self) -> Lake:
        """The lake of the resources."""
        lake: Lake = self._resources["lake"]
        return lake

    def damaged(self, key: dg.AssetKey, recorded: Callable[[], Recorded]) -> Mapping[tuple[str | None, int], str]:
        """The materializations whose content is no longer stored, with the reason.

        Args:
            recorded: returns, by partition, the position and the content version of the latest materialization.

        Returns:
            By partition and position in the event log.
        """
        if self._is_to_be_compared(key):
            started = time.monotonic()
            self._checked[key] = (started, self._compare(key, recorded()))
            self._spent_s += time.monotonic() - started
        return self._checked[key][1] if key in self._checked else {}

    def begin_evaluation(self) -> None:
        """Another evaluation of automation begins, which may spend ``EVALUATION_S`` seconds on comparing."""
        self._spent_s = 0.0

    def _is_to_be_compared(self, key: dg.AssetKey) -> bool:
        if self._recheck_s is None:
            return key not in self._checked
        known = self._checked.get(key)
        is_old = known is None or time.monotonic() - known[0] >= self._recheck_s
        return is_old and self._spent_s < EVALUATION_S

    def _compare(self, key: dg.AssetKey, recorded: Recorded) -> dict[tuple[str | None, int], str]:
        if self.lake.is_new:
            return {}
        versions = {partition: version for partition, (_, version) in recorded.items()}
        found = damaged_partitions(self._artifacts[key], self._resources, versions)
        return {(partition, recorded[partition][0]): reason for partition, reason in found.items()}

    def due(self, key: dg.AssetKey, partitions: Sequence[str | None]) -> dict[str | None, Due]:
        """The requests that are due by now, by partition; partitions without any are left out."""
        table = self._requests.get(key)
        if table is None or self.lake.is_new or not self.lake.has(table):
            return {}
        column = load_tables()[table].partition_column if partitions != [None] else None
        by = pl.col(column) if column else pl.lit(None, pl.String).alias("partition")
        since = pl.col("next_try_at").min().dt.epoch("s").fill_null(0)
        now, requests = datetime.now(UTC), pl.len().alias("requests")
        found = self._query(table, lambda rows: due(rows, now).group_by(by).agg(requests, since.alias("since")))
        return {partition: Due(requests, float(time_s)) for partition, requests, time_s in found.iter_rows()}

    def requests(self, keys: Iterable[dg.AssetKey]) -> Iterator[pl.DataFrame]:
        """The stored rows of the tables of requests of some assets: status, next_try_at, error."""
        for key in keys:
            table = self._requests.get(key)
            if table is not None and self.lake.has(table):
                yield self._query(table, lambda rows: rows.select("status", "next_try_at", "error"))

    def _query(self, table: str, query: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        """The result of a query on a table's rows, without those of damaged partitions, which are made again."""
        try:
            return query(self.lake.read(table).pl(lazy=True)).collect()
        except duckdb.Error:
            contract = load_tables()[table]
            if partitions := readable_partitions(self.lake, contract):
                return query(self.lake.read(table, partitions).pl(lazy=True)).collect()
            if not damaged_files(self.lake, table, read=True):
                raise
            return query(contract.frame([]).lazy()).collect()


def _table_of_requests(spec: dg.AssetSpec) -> str | None:
    """The table of an asset, if its rows are outcomes of requests. Those of surveys are not: they have no status."""
    table = load_tables().get(table_of(spec.key.path[-1], spec.metadata))
    return table.name if table is not None and {"status", "next_try_at"} <= table.column_types.keys() else None

"""Reading the tables of the lake at one snapshot: single tables, or the whole lake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property

import duckdb
import polars as pl

from assets.lake.removals import ID_COLUMNS, removed_ids
from assets.lake.store import Lake, LakeError
from assets.lake.tables import load_tables
from sql import identifier


class LakeAt(Lake):
    """A lake whose tables are those of one snapshot. Nothing can be written.

    Args:
        lake: the lake.
        number: id of the snapshot.
    """

    def __init__(self, lake: Lake, number: int) -> None:
        super().__init__(lake.root, lake.catalog, lake.data_path, lake.removals)
        self.number = number

    def opening(self, read_only: bool = True) -> Iterator[str]:
        *settings, attach = super().opening(read_only=True)
        yield from settings
        yield attach.replace("READ_ONLY", f"READ_ONLY, SNAPSHOT_VERSION {self.number}")

    def snapshot(self) -> int:
        return self.number


class Snapshot:
    """One snapshot of a lake, without the rows of ids that were removed since.

    Args:
        number: id of the snapshot; None for the newest.

    Raises:
        LakeError: the snapshot does not exist, or has expired.
    """

    def __init__(self, lake: Lake, number: int | None = None) -> None:
        self.lake = lake
        self.number = lake.snapshot() if number is None else number
        found = lake.sql(
            "SELECT snapshot_time FROM lake.snapshots() WHERE snapshot_id = $id", id=self.number
        ).fetchall()
        if not found:
            raise LakeError(f"snapshot {self.number}: not in the lake; it never existed or has expired")
        self.made_at: datetime = found[0][0]
        self._columns: dict[str, tuple[str, ...]] = {}
        self.removed_ids = sorted(removed_ids(lake.removals))
        if self.removed_ids:
            lake.connection.execute(
                "CREATE OR REPLACE TEMP TABLE removed_ids AS SELECT unnest(?) AS id", [self.removed_ids]
            )

    @cached_property
    def tables(self) -> list[str]:
        """Names of the tables at this snapshot, sorted."""
        return [name for name in load_tables() if self.has(name)]

    def has(self, table: str) -> bool:
        """Whether the snapshot has the table."""
        return bool(self.stored_columns(table))

    def stored_columns(self, table: str) -> tuple[str, ...]:
        """Names of the columns that the table had at this snapshot; none if it had no such table."""
        if table not in self._columns:
            try:
                found = self.lake.connection.execute(f"FROM {table} AT (VERSION => {self.number}) LIMIT 0").description
            except duckdb.CatalogException:
                found = []
            self._columns[table] = tuple(column[0] for column in found)
        return self._columns[table]

    def at(self, table: str) -> str:
        """The table at this snapshot, for a FROM clause. Columns that its contract gained later are NULL."""
        stored = self.stored_columns(table)
        gained = [each for each in load_tables()[table].columns if stored and each.nullable and each.name not in stored]
        nulls = "".join(f", CAST(NULL AS {each.type}) AS {identifier(each.name)}" for each in gained)
        ids = [identifier(name) for name in stored if self.removed_ids and name in ID_COLUMNS]
        kept = " AND ".join(f"({name} IS NULL OR {name} NOT IN (FROM temp.removed_ids))" for name in ids) or "true"
        return f"(SELECT *{nulls} FROM {table} AT (VERSION => {self.number}) WHERE {kept})"

    def removed_of(self, table: str, column: str = "video_id") -> list[str]:
        """The removed ids that the table has at this snapshot, which ``at`` leaves out; sorted."""
        if not self.removed_ids or not self.has(table):
            return []
        found = self.lake.sql(
            f"SELECT DISTINCT {identifier(column)} AS id FROM {table} AT (VERSION => {self.number})"
            f" WHERE {identifier(column)} IN (FROM temp.removed_ids) ORDER BY id"
        ).fetchall()
        return [each for (each,) in found]

    def sql(self, query: str, **params: object) -> pl.DataFrame:
        """The result of a query in which ``{table}`` means that table at this snapshot."""
        return self.lake.sql(self.bind(query), **params).pl()

    def bind(self, query: str) -> str:
        """The query with every ``{table}`` replaced by that table at this snapshot."""
        for name in load_tables():
            if f"{{{name}}}" in query:
                query = query.replace(f"{{{name}}}", self.at(name))
        return query

    def rows(self, table: str) -> int:
        """Number of rows of a table."""
        return int(self.sql(f"SELECT count(*) FROM {{{table}}}").item())

    def statistic(self, name: str, subject: str = "videos") -> pl.DataFrame:
        """A statistic of ``sql/statistics``: one row per item in its order, one column per measure; it may be empty."""
        long = self.sql(
            "SELECT position, item, measure, value FROM {dataset_statistics}"
            " WHERE subject = $subject AND statistic = $name",
            subject=subject,
            name=name,
        )
        if long.is_empty():
            return pl.DataFrame(schema={"item": pl.String})
        return long.pivot("measure", index=["position", "item"], values="value").sort("position").drop("position")

"""Reading the tables of the lake at one snapshot."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

import duckdb
import polars as pl

from assets.lake.store import Lake, LakeError
from assets.lake.tables import load_tables


class Snapshot:
    """One snapshot of a lake.

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

    @cached_property
    def tables(self) -> list[str]:
        """Names of the tables at this snapshot, sorted."""
        return [name for name in load_tables() if self.has(name)]

    def has(self, table: str) -> bool:
        """Whether the snapshot has the table."""
        try:
            self.lake.connection.execute(f"SELECT 1 FROM {self.at(table)} LIMIT 0")
        except duckdb.CatalogException:
            return False
        return True

    def at(self, table: str) -> str:
        """The table at this snapshot, for a FROM clause."""
        return f"(FROM {table} AT (VERSION => {self.number}))"

    def sql(self, query: str, **params: object) -> pl.DataFrame:
        """The result of a query in which ``{table}`` means that table at this snapshot."""
        return self.lake.sql(self.bind(query), **params).pl()

    def bind(self, query: str) -> str:
        """The query with every ``{table}`` replaced by that table at this snapshot."""
        for name in load_tables():
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

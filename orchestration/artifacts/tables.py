"""Tables of the lake as artifacts: their contracts in ``sql/tables``, turned into counts of violations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assets.lake import Lake, Table
from orchestration.artifacts.protocol import Resources
from sql import columns, identifier


@dataclass(frozen=True)
class LakeTable:
    """A table, or the fixed partition ``part`` of a table that several assets share."""

    table: Table
    part: str | None
    resources: tuple[str, ...] = ("lake",)

    @property
    def description(self) -> str:
        return f"Types, NOT NULL, key and CHECK constraints of sql/tables/{self.table.name}.sql hold."

    def version(self, resources: Resources, partition: str | None) -> str | None:
        version: str | None = resources["lake"].version(self.table.name, partition or self.part)
        return version

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        own = partition if self.table.partition_column else None
        return contract_violations(resources["lake"], self.table, own or self.part)

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Nothing: a write replaces the rows."""


def contract_violations(lake: Lake, table: Table, partition: str | None) -> dict[str, int]:
    """The rules of a contract that a table, or one partition of it, breaks, with the number of rows."""
    stored = lake.read(table.name, None if partition is None else [partition])
    actual = dict(zip(stored.columns, map(str, stored.types), strict=True))
    wrong = {
        f"{c.name} is {c.type}, not {actual.get(c.name)}": 1 for c in table.columns if actual.get(c.name) != c.type
    }
    if wrong:
        return wrong
    counts = {rule: int(stored.query("rows", query).fetchall()[0][0]) for rule, query in contract_rules(table)}
    return {rule: count for rule, count in counts.items() if count}


def contract_rules(table: Table) -> Iterator[tuple[str, str]]:
    """Every rule of a contract with the query, over ``rows``, that counts the rows which break it."""
    for column in table.columns:
        if not column.nullable:
            query = f"SELECT count(*) FROM rows WHERE {identifier(column.name)} IS NULL"
            yield f"{column.name} is not NULL", query
    key = columns(table.primary_key)
    unique = f"SELECT count(*) FROM (SELECT 1 FROM rows GROUP BY {key} HAVING count(*) > 1)"
    yield f"({', '.join(table.primary_key)}) is unique", unique
    for expression in table.checks:
        yield expression, f"SELECT count(*) FROM rows WHERE NOT ({expression})"

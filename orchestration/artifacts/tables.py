"""Tables of the lake as artifacts: their contracts in ``sql/tables``, turned into counts of violations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from assets.contents import Contents
from assets.lake import Lake, Table
from assets.lake.damage import DamageError, damaged_files, salvage
from assets.lake.locks import Locks
from ml.files import file_hash
from orchestration.artifacts.protocol import Resources
from sql import columns, identifier

_OTHER_CONTENT = "{} has other content than was recorded"


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
        lake: Lake = resources["lake"]
        try:
            return lake.version(self.table.name, partition or self.part)
        except duckdb.Error as error:
            if damaged := damaged_files(lake, self.table.name, partition or self.part, read=True):
                raise DamageError("; ".join(damaged)) from error
            raise

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        own = partition if self.table.partition_column else None
        return damaged_files(resources["lake"], self.table.name, own or self.part)

    def violations(self, resources: Resources, partition: str | None) -> dict[str, int]:
        own = partition if self.table.partition_column else None
        return contract_violations(resources["lake"], self.table, own or self.part)

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Keep the partitions that can be read; of a damaged one, not even the rows can be deleted."""
        lake, part = resources["lake"], partition or self.part
        if damaged_files(lake, self.table.name, part, read=True):
            with Locks(lake.root / ".locks", lake.catalog).held(f"salvage-{self.table.name}"):
                # Another run may have done it meanwhile.
                if damaged_files(lake, self.table.name, part, read=True):
                    salvage(lake, self.table)


@dataclass(frozen=True)
class VideoFiles(LakeTable):
    """The table ``video_files`` with the files that it names."""

    resources: tuple[str, ...] = ("lake", "media_root")

    def damage(self, resources: Resources, partition: str | None) -> list[str]:
        damaged = super().damage(resources, partition)
        return damaged or [problem for _, problem in self._damaged(resources, partition)]

    def repair(self, resources: Resources, partition: str | None) -> None:
        """Remove cut files, but never those of a user's own folder: a source keeps what it finds."""
        super().repair(resources, partition)
        for path, _ in self._damaged(resources, partition):
            if path.is_relative_to(resources["media_root"]):
                path.unlink(missing_ok=True)

    def wrong_hashes(self, resources: Resources, partition: str | None) -> list[str]:
        """The files whose content is not the recorded one. All are read.

        They are remembered, so that a refresh, which reads none, makes them again.
        """
        recorded = self._recorded(resources, partition)
        wrong = [path for path, _, sha256 in recorded if file_hash(path) != sha256]
        for path in wrong:
            _found_damaged(resources).version(path)
        return [_OTHER_CONTENT.format(path) for path in wrong]

    def _damaged(self, resources: Resources, partition: str | None) -> Iterator[tuple[Path, str]]:
        found_damaged = _found_damaged(resources)
        for path, size, sha256 in self._recorded(resources, partition):
            found = path.stat().st_size if path.exists() else None
            if found != size:
                yield path, f"{path} is missing" if found is None else f"{path} has {found} of {size} bytes"
            elif found_damaged.known(path) not in (None, sha256):
                yield path, _OTHER_CONTENT.format(path)

    def _recorded(self, resources: Resources, partition: str | None) -> Iterator[tuple[Path, int, str]]:
        """Path, size and SHA-256 of each file."""
        lake: Lake = resources["lake"]
        if lake.has(self.table.name):
            rows = lake.read(self.table.name, [partition] if partition else None).filter("status = 'ok'")
            for uri, size, sha256 in rows.project("uri, bytes, sha256").fetchall():
                yield resources["media_root"] / uri, size, sha256


def _found_damaged(resources: Resources) -> Contents:
    """The hashes of files that a thorough check found damaged."""
    lake: Lake = resources["lake"]
    return Contents(lake.root / "damaged.json")


def contract_violations(lake: Lake, table: Table, partition: str | None) -> dict[str, int]:
    """The rules of a contract that a table, or one partition of it, breaks, with the number of rows."""
    with lake.reading():
        rows = lake.read(table.name, None if partition is None else [partition])
        actual = dict(zip(rows.columns, map(str, rows.types), strict=True))
        wrong = {
            f"{c.name} is {c.type}, not {actual.get(c.name)}": 1 for c in table.columns if actual.get(c.name) != c.type
        }
        if wrong:
            return wrong
        rules = dict(contract_rules(table))
        # One query, whatever the number of rules. DuckDB finds `rows` by its name among the local variables.
        counts = lake.connection.execute(f"SELECT {', '.join(rules.values())} FROM rows").fetchall()[0]
    return {rule: int(count) for rule, count in zip(rules, counts, strict=True) if count}


def contract_rules(table: Table) -> Iterator[tuple[str, str]]:
    """Every rule of a contract with the expression that counts, over ``rows``, the rows which break it."""
    for column in table.columns:
        if not column.nullable:
            yield f"{column.name} is not NULL", f"count(*) FILTER ({identifier(column.name)} IS NULL)"
    # Without a subquery, the rows are read once. A row of columns also counts keys with NULL.
    unique = f"count(*) - count(DISTINCT row({columns(table.primary_key)}))"
    yield f"({', '.join(table.primary_key)}) is unique", unique
    for expression in table.checks:
        yield expression, f"count(*) FILTER (NOT ({expression}))"

"""Table contracts, read from ``sql/tables/*.sql``.

One CREATE TABLE statement is the contract of a table: column names and types, NOT NULL, the primary key, CHECK
constraints and, in the comment at the end of each column's line, its description with its unit. Lines such as
``-- from captions: video_id, caption = text`` after the statement name columns of other tables whose values it takes.
A DuckLake does not enforce keys and checks; see ``orchestration.artifacts``, which does, and ``store`` for reading and
writing rows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import quote

import duckdb
import polars as pl

from sql import columns, identifier, statements

PARTITION_COLUMNS = ("category_1", "shard", "model", "subject")

_ORIGIN = re.compile(r"^-- from (\w+): (.+)$", re.MULTILINE)
_DESCRIBED_COLUMN = re.compile(r"^\s+(\w+)\s+[A-Z].*?--\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Column:
    """One column: DuckDB type, whether it may be NULL, and its description with its unit.

    ``derived_from`` are tables and columns that its values come from, e.g. ``("captions", "text")``.
    """

    name: str
    type: str
    nullable: bool
    description: str
    derived_from: tuple[tuple[str, str], ...] = ()

    @property
    def is_provenance(self) -> bool:
        """True for columns that say when or from which snapshot a row was computed: they are not content."""
        return self.name.endswith("_at") or self.name == "snapshot"


@dataclass(frozen=True)
class Table:
    """The contract of one lake table."""

    name: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    checks: tuple[str, ...]

    @property
    def partition_column(self) -> str | None:
        """The column that partitions the table: the first of its key, if that is a partition dimension."""
        first = self.primary_key[0]
        return first if first in PARTITION_COLUMNS else None

    @property
    def column_types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}

    @property
    def sums(self) -> str:
        """Expressions that a content version is made of: the number of rows, and two sums of their hashes."""
        content = columns(self.content_columns)
        return f"count(*), sum(hash({content})), sum(hash({content}, 'salt'))"

    @property
    def content_columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if not column.is_provenance)

    def frame(self, rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
        """A frame of the table's types from rows whose values are in the order of the columns."""
        return pl.DataFrame(list(rows), schema=self.schema, orient="row")

    @cached_property
    def schema(self) -> pl.Schema:
        """The types of the table's columns in a frame."""
        columns = ", ".join(f"CAST(NULL AS {column.type}) AS {identifier(column.name)}" for column in self.columns)
        return duckdb.connect().sql(f"SELECT {columns}").pl().schema

    @property
    def create_statement(self) -> str:
        """The statement that creates the table in the lake, which supports types and NOT NULL, not keys and checks."""
        columns = ", ".join(
            f"{identifier(column.name)} {column.type}{'' if column.nullable else ' NOT NULL'}"
            for column in self.columns
        )
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"

    @property
    def order_statement(self) -> str:
        """The statement that declares the order of the rows in files: that of the key."""
        return f"ALTER TABLE {self.name} SET SORTED BY ({', '.join(map(identifier, self.primary_key))})"


def parse_tables(statements: dict[str, str]) -> dict[str, Table]:
    """Contracts by table name. DuckDB runs the statements in an empty database and lists what they created.

    Raises:
        ValueError: a column lacks its description, or a table its key.
    """
    scratch = duckdb.connect()
    for statement in statements.values():
        scratch.execute(statement)
    columns = scratch.sql(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() ORDER BY column_index"
    ).fetchall()
    constraints = scratch.sql(
        "SELECT table_name, constraint_type, expression, constraint_column_names FROM duckdb_constraints()"
    ).fetchall()
    return {
        name: _contract(
            name,
            statement,
            [row[1:] for row in columns if row[0] == name],
            [row[1:] for row in constraints if row[0] == name],
        )
        for name, statement in statements.items()
    }


def _contract(name: str, statement: str, columns: list[tuple], constraints: list[tuple]) -> Table:
    described = dict(_DESCRIBED_COLUMN.findall(statement))
    bare = [column for column, _, _ in columns if column not in described]
    if bare:
        raise ValueError(f"sql/tables/{name}.sql: no description (-- ...) on the line of {', '.join(bare)}")
    origins = _origins(statement)
    unknown = origins.keys() - described.keys()
    if unknown:
        raise ValueError(f"sql/tables/{name}.sql: -- from names {', '.join(sorted(unknown))}, which is no column")
    keys = [tuple(names) for kind, _, names in constraints if kind == "PRIMARY KEY"]
    if not keys:
        raise ValueError(f"sql/tables/{name}.sql: must create table {name} with a PRIMARY KEY")
    return Table(
        name=name,
        description=" ".join(
            line[2:].strip() for line in statement.splitlines() if line.startswith("--") and not _ORIGIN.match(line)
        ),
        columns=tuple(
            Column(column, kind, nullable, described[column], tuple(origins[column]))
            for column, kind, nullable in columns
        ),
        primary_key=keys[0],
        checks=tuple(expression for kind, expression, _ in constraints if kind == "CHECK"),
    )


def _origins(statement: str) -> dict[str, list[tuple[str, str]]]:
    """Tables and columns by the column that is derived from them."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, items in _ORIGIN.findall(statement):
        for item in items.split(", "):
            column, _, origin = item.partition(" = ")
            found[column].append((table, origin or column))
    return found


@cache
def load_tables() -> dict[str, Table]:
    """All contracts of the package by table name.

    Raises:
        FileNotFoundError: the package was installed without its SQL files.
    """
    return parse_tables(statements("tables"))


@cache
def partition_folder(partition: str) -> str:
    """The value in the name of a partition's folder, such as ``a%20b`` in ``shard=a%20b``, as DuckLake quotes it."""
    return quote(partition, safe="")

"""The rows that a write will store: a temporary table, with the types of the contract and without removed ids."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import polars as pl

from assets.lake.extensions import LakeError
from assets.lake.removals import ID_COLUMNS
from assets.lake.tables import Table
from sql import identifier

Rows = pl.DataFrame | duckdb.DuckDBPyRelation
Frame = Rows | pl.LazyFrame

STAGED = "temp.main.staged"
"""The table of staged rows. Without the name of its schema, DuckDB would search the lake for it first."""


def collected(frame: Frame) -> Rows:
    """A frame that computes nothing more in Polars, so that no transaction stays open meanwhile."""
    return frame.collect(engine="streaming") if isinstance(frame, pl.LazyFrame) else frame


def stage(
    connection: duckdb.DuckDBPyConnection,
    contract: Table,
    incoming: Rows,
    partition: str | None,
    removed: Collection[str],
) -> None:
    """Make the table of staged rows.

    Args:
        partition: the partition that all rows must belong to; None: any.
        removed: ids whose rows are left out.

    Raises:
        LakeError: columns differ from the contract, values do not fit it, or rows belong to another partition.
    """
    _refuse_other_columns(contract, incoming.columns)
    columns = ", ".join(f"CAST({identifier(c.name)} AS {c.type}) AS {identifier(c.name)}" for c in contract.columns)
    try:
        # DuckDB finds `incoming` by its name among the local variables.
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {STAGED} AS SELECT {columns} FROM incoming")
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        raise LakeError(f"{contract.name}: {error}") from error
    for column in contract.columns if removed else ():
        if column.name in ID_COLUMNS:
            where = f"{identifier(column.name)} IN (SELECT unnest(?))"
            connection.execute(f"DELETE FROM {STAGED} WHERE {where}", [sorted(removed)])
    if partition is not None:
        _refuse_foreign_rows(connection, contract, partition)


def _refuse_other_columns(contract: Table, columns: list[str]) -> None:
    wanted = [column.name for column in contract.columns]
    missing = [name for name in wanted if name not in columns]
    unknown = [name for name in columns if name not in wanted]
    if missing or unknown:
        raise LakeError(
            f"{contract.name}: columns differ from sql/tables/{contract.name}.sql:"
            f" missing {missing or 'none'}, unknown {unknown or 'none'}"
        )


def _refuse_foreign_rows(connection: duckdb.DuckDBPyConnection, contract: Table, partition: str) -> None:
    column = contract.partition_column
    if column is None:
        raise LakeError(f"{contract.name}: the table is not partitioned, but partition {partition} was given")
    foreign = connection.execute(
        f"SELECT DISTINCT {column} FROM {STAGED} WHERE {column} IS DISTINCT FROM ? LIMIT 3", [partition]
    ).fetchall()
    if foreign:
        raise LakeError(f"{contract.name}: rows of {column} {foreign} in the frame for {partition}")

"""Tables of the lake as they are stored: their columns, and fitting them to their contracts."""

from __future__ import annotations

import duckdb

from assets.lake.tables import Table
from sql import identifier, literal


def stored_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Name and type of each column of a stored table; none if the table does not exist."""
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake' AND table_name = ?",
        [table],
    ).fetchall()
    return dict(rows)


def fit(connection: duckdb.DuckDBPyConnection, contract: Table) -> None:
    """Create a table or change it to its contract. Rows stay unless a new column must not be NULL."""
    stored = stored_columns(connection, contract.name)
    if stored == contract.column_types:
        return
    new = [column for column in contract.columns if column.name not in stored]
    retyped = [c for c in contract.columns if c.name in stored and stored[c.name] != c.type]
    if stored and not retyped and all(column.nullable for column in new):
        for column in new:
            connection.execute(f"ALTER TABLE {contract.name} ADD COLUMN {identifier(column.name)} {column.type}")
        for name in stored.keys() - contract.column_types.keys():
            connection.execute(f"ALTER TABLE {contract.name} DROP COLUMN {identifier(name)}")
    else:
        connection.execute(f"DROP TABLE IF EXISTS {contract.name}")
        connection.execute(contract.create_statement)
    if contract.partition_column:
        connection.execute(f"ALTER TABLE {contract.name} SET PARTITIONED BY ({contract.partition_column})")
    connection.execute(contract.order_statement)
    connection.execute(f"COMMENT ON TABLE {contract.name} IS {literal(contract.description)}")
    for column in contract.columns:
        name = f"{contract.name}.{identifier(column.name)}"
        connection.execute(f"COMMENT ON COLUMN {name} IS {literal(column.description)}")

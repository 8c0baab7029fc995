"""Removed ids in databases on a server: Dagster's records, and the catalog of a lake. SQLite is searched as files.

See `orchestration.removal` for the removal, and `assets.lake.search_files` for files.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from sqlalchemy import Column, Connection, LargeBinary, MetaData, String, Table, func, select, true, update

from assets.lake import Lake
from assets.lake.search_files import Ids, text_of
from sql import identifier, literal

_METADATA = "__ducklake_metadata_lake"
"""Name under which DuckLake attaches the catalog of the lake that is attached as ``lake``."""

_COLUMNS_OF_CATALOG = (
    "SELECT table_schema, table_name, column_name FROM information_schema.columns"
    " WHERE table_name LIKE 'ducklake%' AND data_type IN ('text', 'character varying') ORDER BY 1, 2, 3"
)
"""PostgreSQL lists them, because DuckDB does not list the tables of a catalog that it has attached for DuckLake."""


def holding_records(instance: dg.DagsterInstance, ids: Ids) -> Iterator[str]:
    """The tables of Dagster's records that hold one of the ids in a text or in compressed bytes."""
    for connection in _connections(instance):
        for table in _tables(connection):
            if any(_holds(connection, column, ids) for column in table.columns):
                yield f"database {connection.engine.url.database}, table {table.name}"


def scrub_records(instance: dg.DagsterInstance, ids: Ids, replacement: str) -> Iterator[str]:
    """Replace ids in the texts of Dagster's records; the tables that held one."""
    for connection in _connections(instance):
        for table in _tables(connection):
            texts = [column for column in table.columns if isinstance(column.type, String)]
            held = [column for column in texts if _holds(connection, column, ids)]
            for column in held:
                new = func.regexp_replace(column, ids.text.pattern, replacement, "g")
                connection.execute(update(table).where(column.regexp_match(ids.text.pattern)).values({column: new}))
            if held:
                yield f"database {connection.engine.url.database}, table {table.name}"


def holding_catalog(lake: Lake, ids: Ids) -> Iterator[str]:
    """The tables of a catalog on a server that hold one of the ids."""
    if lake.catalog.startswith("sqlite:"):
        return
    for schema, table, column in lake.connection.execute(
        f"FROM postgres_query({literal(_METADATA)}, {literal(_COLUMNS_OF_CATALOG)})"
    ).fetchall():
        place = f"{_METADATA}.{identifier(schema)}.{identifier(table)}"
        query = f"SELECT count(*) FROM {place} WHERE regexp_matches({identifier(column)}, ?)"
        if lake.connection.execute(query, [ids.without_lookaround]).fetchall()[0][0]:
            yield f"catalog, table {table}"


def on_server(instance: dg.DagsterInstance) -> bool:
    """Whether any of Dagster's records are on a server."""
    return any(True for _ in _connections(instance))


def _connections(instance: dg.DagsterInstance) -> Iterator[Connection]:
    """A connection to each database on a server that Dagster's records are in."""
    seen = set()
    runs, events, schedules = instance.run_storage, instance.event_log_storage, instance.schedule_storage
    for connect in (
        getattr(runs, "connect", None),
        getattr(events, "index_connection", None),
        getattr(schedules, "connect", None),
    ):
        if connect is None:
            continue
        with connect() as connection:
            if connection.dialect.name != "sqlite" and connection.engine.url not in seen:
                seen.add(connection.engine.url)
                yield connection


def _tables(connection: Connection) -> list[Table]:
    known = MetaData()
    known.reflect(connection)
    return known.sorted_tables


def _holds(connection: Connection, column: Column[object], ids: Ids) -> bool:
    if isinstance(column.type, String):
        found = select(true()).where(column.regexp_match(ids.text.pattern)).limit(1)
        return connection.execute(found).first() is not None
    if isinstance(column.type, LargeBinary):
        values = connection.execute(select(column).where(column.is_not(None))).scalars()
        return any(ids.text.search(text_of(memoryview(value).tobytes())) for value in values)  # type: ignore[arg-type]
    return False

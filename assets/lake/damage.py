"""Damaged Parquet files: finding them by name, and keeping what can still be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from assets.lake.store import Lake
from assets.lake.tables import Table, partition_folder
from sql import identifier, literal


class DamageError(OSError):
    """Stored content is missing or cannot be read; the message names the files."""


def damaged_files(lake: Lake, table: str, partition: str | None = None, read: bool = False) -> list[str]:
    """The files of a table, or of one partition, that are missing, have another size than recorded or are unreadable.

    Files in an object store are only checked with ``read``.

    Args:
        read: also read each file whole.
    """
    return [problem for path, size in _files(lake, table, partition) if (problem := _problem(lake, path, size, read))]


def _files(lake: Lake, table: str, partition: str | None) -> Iterator[tuple[str, int]]:
    """Path and recorded size of each data file and delete file."""
    folder = None if partition is None else f"={partition_folder(partition)}/"
    for data, data_bytes, deletes, deletes_bytes in lake.files(table):
        if folder is not None and folder not in data:
            continue
        yield data, data_bytes
        if deletes is not None and deletes_bytes is not None:
            yield deletes, deletes_bytes


def _problem(lake: Lake, path: str, size: int, read: bool) -> str | None:
    if "://" not in path:
        try:
            found = Path(path).stat().st_size
        except FileNotFoundError:
            return f"{path} is missing"
        if found != size:
            return f"{path} has {found} of {size} bytes"
    if read:
        try:
            lake.connection.execute(f"SELECT sum(hash(COLUMNS(*))) FROM read_parquet({literal(path)})").fetchall()
        except duckdb.Error as error:
            return f"{path} cannot be read: {str(error).partition(chr(10))[0]}"
    return None


def salvage(lake: Lake, contract: Table) -> None:
    """Make a table again from those of its partitions that can be read; without partitions, without rows.

    The partitions that are lost are then missing, so that a refresh makes them again.
    """
    column, kept = contract.partition_column, readable_partitions(lake, contract)
    chosen = f"WHERE {identifier(column)} IN ({', '.join(map(literal, kept))})" if column and kept else "WHERE false"
    lake.remake(contract, f"FROM lake.{contract.name} {chosen}")


def readable_partitions(lake: Lake, contract: Table) -> list[str]:
    """The stored partitions of a table whose files can all be read whole; none of a table without partitions."""
    return [value for value in _partition_values(lake, contract) if not damaged_files(lake, contract.name, value, True)]


def _partition_values(lake: Lake, contract: Table) -> list[str]:
    if contract.partition_column is None:
        return []
    rows = lake.connection.execute(
        "SELECT DISTINCT value.partition_value FROM __ducklake_metadata_lake.ducklake_file_partition_value value"
        " JOIN __ducklake_metadata_lake.ducklake_table named USING (table_id)"
        " WHERE named.table_name = ? AND named.end_snapshot IS NULL AND value.partition_value IS NOT NULL ORDER BY ALL",
        [contract.name],
    ).fetchall()
    return [str(value) for (value,) in rows]

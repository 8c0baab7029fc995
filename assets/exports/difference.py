"""The differences of two exports."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

from assets.exports.reader import exported_rows
from assets.exports.records import RECORD_SETS
from assets.lake.difference import SCHEMA, Verdicts, compare
from sql import columns


def export_differences(before: Path, after: Path) -> pl.DataFrame:
    """The differences of two finished exports of any forms, as rows of ``assets.lake.difference.SCHEMA``.

    Columns that only one of them has are not compared.

    Raises:
        ExportError: one of them is not whole.
    """
    connection = duckdb.connect()
    found = [pl.DataFrame(schema=SCHEMA)]
    with exported_rows(before) as (_, older), exported_rows(after) as (header, newer):
        removed = header.get("removed_ids", [])
        assert isinstance(removed, list)
        verdict = "SELECT DISTINCT video_id, 'in the data set' AS verdict FROM"
        verdicts = Verdicts(f"{verdict} {older['videos']}", f"{verdict} {newer['videos']}", removed)
        for records in RECORD_SETS:
            some, others = older[records.name], newer[records.name]
            shared = set(connection.sql(f"FROM {others} LIMIT 0").columns)
            names = [name for name in connection.sql(f"FROM {some} LIMIT 0").columns if name in shared]
            was, now = (f"SELECT {columns(names)} FROM {rows}" for rows in (some, others))
            differing = compare(connection, records.name, f"{was} EXCEPT {now}", f"{now} EXCEPT {was}", names, verdicts)
            found.append(differing)
    return pl.concat(found)

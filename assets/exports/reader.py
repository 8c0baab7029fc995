"""Reading an export back into a lake."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.exports.records import RECORD_SETS, RecordSet
from assets.exports.writer import ExportError, read_manifest
from assets.lake import Lake
from assets.sharding import Sharding
from sql import columns as column_list
from sql import literal


def import_hugging_face(lake: Lake, folder: Path, sharding: Sharding) -> dict[str, int]:
    """Write the tables of an exported repository to a lake that has none of them.

    Args:
        folder: what ``assets.exports.hugging_face`` wrote.
        sharding: how the lake divides videos into shards.

    Returns:
        Rows by table.

    Raises:
        ExportError: the export is not whole, or the lake already holds one of its tables.
    """
    header, _ = read_manifest(folder)
    if header.get("form") != "hugging_face":
        raise ExportError(f"{folder}: form {header.get('form')}, not hugging_face; choose another folder")
    existing = [records.name for records in RECORD_SETS if lake.has(records.name)]
    if existing:
        raise ExportError(f"{lake.root}: already holds {', '.join(existing)}; import into a new lake (HOWTO_LAKE)")
    return {records.name: _import(lake, records, folder, sharding) for records in RECORD_SETS}


def _import(lake: Lake, records: RecordSet, folder: Path, sharding: Sharding) -> int:
    files = f"read_parquet({literal(str(folder / 'data' / records.name / '*.parquet'))})"
    constant = {"kept": "true", "reason": "NULL", "duplicate_of": "NULL", "shard": "shard"}
    exported = {column.name for column in records.columns}
    selected = ", ".join(
        column_list([column.name]) if column.name in exported else f"{constant[column.name]} AS {column.name}"
        for column in records.contract.columns
    )
    if "shard" not in records.contract.column_types:
        return lake.write(records.name, lake.sql(f"SELECT {selected} FROM {files}")).rows
    video_ids = lake.sql(f"SELECT DISTINCT video_id FROM {files}").pl()["video_id"]
    table = pl.DataFrame({"video_id": video_ids, "shard": [sharding.shard_of(each) for each in video_ids]})
    lake.connection.register("video_shards", table.to_arrow())
    try:
        rows = lake.sql(f"SELECT {selected} FROM {files} JOIN video_shards USING (video_id)")
        return lake.write(records.name, rows).rows
    finally:
        lake.connection.unregister("video_shards")

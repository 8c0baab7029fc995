"""Reading an export of any form back into a lake."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow.parquet as pq

from assets.exports.records import CLIPS, RECORD_SETS, TASKS, VIDEOS, RecordSet
from assets.exports.webdataset import MEDIA, TASK_FILE
from assets.exports.writer import ExportError, read_manifest
from assets.lake import Lake
from assets.sharding import Sharding
from sql import columns as column_list
from sql import literal

_CONSTANT = {"kept": "true", "reason": "NULL", "duplicate_of": "NULL", "shard": "shard"}
"""SQL of the columns of a lake that exports leave out."""


def import_export(lake: Lake, folder: Path, sharding: Sharding) -> dict[str, int]:
    """Write the tables of an export to a lake that has none of them.

    Args:
        folder: a finished export of the form ``hugging_face``, ``webdataset`` or ``lance``.
        sharding: how the lake divides videos into shards.

    Returns:
        Rows by table.

    Raises:
        ExportError: the export is not whole, or the lake already holds one of its tables.
    """
    with exported_rows(folder) as (_, rows):
        existing = [records.name for records in RECORD_SETS if lake.has(records.name)]
        if existing:
            raise ExportError(f"{lake.root}: already holds {', '.join(existing)}; import into a new lake (HOWTO_LAKE)")
        return {each.name: _import(lake, each, rows[each.name], sharding) for each in RECORD_SETS}


@contextmanager
def exported_rows(folder: Path) -> Iterator[tuple[dict[str, object], dict[str, str]]]:
    """The header of a finished export, and its rows by table as SQL for a FROM clause that any DuckDB can read.

    Raises:
        ExportError: the export is not whole, or of an unknown form.
    """
    header, files = read_manifest(folder)
    if header.get("form") == "hugging_face":
        yield header, _parquet_of_tables(folder / "data")
    elif header.get("form") == "webdataset":
        with TemporaryDirectory(dir=folder.parent) as name:
            scratch = Path(name)
            for records in RECORD_SETS:
                (scratch / records.name).mkdir()
            with (folder / TASK_FILE).open(encoding="utf-8") as lines:
                _write_rows(TASKS, map(json.loads, lines), scratch, "tasks")
            for file in files:
                if file.path.endswith(".tar") and not file.path.startswith(f"{MEDIA}/"):
                    _unpack(folder / file.path, scratch)
            yield header, _parquet_of_tables(scratch)
    elif header.get("form") == "lance":
        with TemporaryDirectory(dir=folder.parent) as name:
            for records in RECORD_SETS:
                _parquet_of_lance(records, folder / f"{records.name}.lance", Path(name) / records.name)
            yield header, _parquet_of_tables(Path(name))
    else:
        raise ExportError(f"{folder}: an export of the unknown form {header.get('form')}; update howto-lake")


def _parquet_of_lance(records: RecordSet, array: Path, folder: Path) -> None:
    import lance

    folder.mkdir()
    scanner = lance.dataset(str(array)).scanner(columns=[column.name for column in records.columns])
    with pq.ParquetWriter(folder / "rows.parquet", scanner.projected_schema) as writer:
        for batch in scanner.to_batches():
            writer.write_batch(batch)


def _parquet_of_tables(folder: Path) -> dict[str, str]:
    return {each.name: f"read_parquet({literal(str(folder / each.name / '*.parquet'))})" for each in RECORD_SETS}


def _unpack(archive: Path, scratch: Path) -> None:
    """The rows of one tar file as Parquet files."""
    videos: list[dict[str, object]] = []
    clips: list[dict[str, object]] = []
    with tarfile.open(archive) as members:
        for member in members:
            content = members.extractfile(member)
            if member.name.endswith(".json") and content is not None:
                video = json.load(content)
                videos.append(video)
                clips += [{**clip, "video_id": video["video_id"]} for clip in video["clips"]]
    _write_rows(VIDEOS, videos, scratch, archive.stem)
    _write_rows(CLIPS, clips, scratch, archive.stem)


def _write_rows(records: RecordSet, rows: Iterable[dict[str, object]], scratch: Path, name: str) -> None:
    names = [column.name for column in records.columns]
    types = records.contract.frame([]).select(names).schema
    days = [name for name in names if types[name] == pl.Date]
    written = pl.Schema([(name, pl.String() if name in days else types[name]) for name in names])
    frame = pl.DataFrame([[row.get(name) for name in names] for row in rows], written, orient="row")
    frame = frame.with_columns(pl.col(days).str.to_date("%Y-%m-%d"))
    frame.write_parquet(scratch / records.name / f"{name}.parquet")


def _import(lake: Lake, records: RecordSet, files: str, sharding: Sharding) -> int:
    exported = set(lake.sql(f"FROM {files} LIMIT 0").columns)
    # Exports from before a column have no values of it.
    selected = ", ".join(
        column_list([column.name])
        if column.name in exported
        else f"{_CONSTANT.get(column.name, 'NULL')} AS {column_list([column.name])}"
        for column in records.contract.columns
    )
    if not records.is_sharded:
        return lake.write(records.name, lake.sql(f"SELECT {selected} FROM {files}")).rows
    video_ids = lake.sql(f"SELECT DISTINCT video_id FROM {files}").pl()["video_id"]
    table = pl.DataFrame({"video_id": video_ids, "shard": [sharding.shard_of(each) for each in video_ids]})
    lake.connection.register("video_shards", table.to_arrow())
    try:
        rows = lake.sql(f"SELECT {selected} FROM {files} JOIN video_shards USING (video_id)")
        return lake.write(records.name, rows).rows
    finally:
        lake.connection.unregister("video_shards")

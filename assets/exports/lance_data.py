"""The data set as Lance: one array per table with the split of each row, captions indexed for search, and vectors.

Lance draws the names of its files, the versions of an array hold these names, ids of transactions and the time, and the
index depends on threads. Two exports of one snapshot have the same bytes in the files of rows only. Their hash is
``data_sha256`` of the manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from assets.exports.description import ANONYMOUS, Publication
from assets.exports.records import CLIPS, RECORD_SETS, Group, RecordSet, shard_groups
from assets.exports.session import Division, Session, exporting
from assets.exports.writer import PlannedFile, WrittenFile, write_files, write_manifest
from assets.lake import Lake
from ml.joint_embedding.clip_index import ClipEmbeddings, ClipIndex
from ml.lance_arrays import REPRODUCIBLE
from sql import literal

ROWS_PER_GROUP = 1_000_000
VECTORS = "vectors.lance"
_BATCH = 65_536


def export_lance(
    lake: Lake,
    folder: Path,
    division: Division,
    snapshot: int | None = None,
    publication: Publication = ANONYMOUS,
    progress: Callable[[str], object] = print,
    vectors: ClipIndex | None = None,
) -> list[WrittenFile]:
    """Write a snapshot of the lake as Lance arrays: ``tasks``, ``videos``, ``clips``, and ``vectors`` if there are any.

    ``clips`` has a full-text index of its captions; ``vectors`` are the current embeddings (video_id, start_s, end_s,
    vector) of clips of the snapshot's videos, indexed where there are enough. Resuming and errors: see
    ``export_hugging_face``; what is resumed are whole arrays.
    """
    embedded = vectors if vectors is not None and vectors.exists() else None
    options = {"vectors": embedded.version()} if embedded else {}
    with exporting(lake, "lance", division, snapshot, publication, **options) as session:
        planned = [
            PlannedFile(f"{each.name}.lance", partial(_write_records, session, each), is_folder=True)
            for each in RECORD_SETS
        ]
        if embedded:
            planned.append(PlannedFile(VECTORS, partial(_write_vectors, session, embedded), is_folder=True))
        files = write_files(folder, session.header, planned, progress)
    write_manifest(folder, session.header, files)
    return files


def _write_records(session: Session, records: RecordSet, path: Path) -> int:
    groups = list(shard_groups(session.snapshot, ROWS_PER_GROUP)) if records.is_sharded else [Group()]
    queries = [
        f"SELECT *, {literal(split)} AS split FROM ({session.snapshot.bind(records.query(split, group))})"
        for split in records.splits
        for group in groups
    ]
    connection = session.snapshot.lake.connection
    rows_of = connection.sql(queries[0]).limit(0).to_arrow_table().schema
    texts = (pa.string(), pa.large_string())
    schema = pa.schema([each.with_metadata(REPRODUCIBLE) if each.type in texts else each for each in rows_of])

    def batches() -> Iterator[pa.RecordBatch]:
        for query in queries:
            yield from connection.sql(query).to_arrow_reader(_BATCH)

    made = lance.write_dataset(pa.RecordBatchReader.from_batches(schema, _even(schema, batches())), str(path))
    rows = int(made.count_rows())
    if records is CLIPS and rows:
        made.create_scalar_index("caption", "INVERTED")
    return rows


def _even(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of one size: the bytes of an array depend on it, and DuckDB's batches on its threads."""
    waiting = schema.empty_table()
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_arrays(batch.columns, schema=schema)])
        while waiting.num_rows >= _BATCH:
            yield from waiting.slice(0, _BATCH).combine_chunks().to_batches()
            waiting = waiting.slice(_BATCH)
    yield from waiting.combine_chunks().to_batches()


def _write_vectors(session: Session, source: ClipIndex, path: Path) -> int:
    kept = set(session.snapshot.sql("SELECT video_id FROM video_splits")["video_id"])
    dim = source.take(np.arange(1)).vectors.shape[1]

    def batches() -> Iterator[ClipEmbeddings]:
        for first in range(0, len(source), _BATCH):
            clips = source.take(np.arange(first, min(first + _BATCH, len(source))))
            rows = np.flatnonzero([video_id in kept for video_id in clips.video_ids])
            ids = [clips.video_ids[row] for row in rows]
            yield ClipEmbeddings(ids, clips.start_s[rows], clips.end_s[rows], clips.vectors[rows])

    return ClipIndex(path).write(batches(), dim)

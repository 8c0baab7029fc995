"""Feature arrays as Lance data sets: one per stream and shard, with one row per time step.

Lance must not be used across a fork.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from assets.lake.locks import Locks
from ml.lance_arrays import WriteMode, array_versions, open_array, write_array
from ml.places import Place

if TYPE_CHECKING:
    import lance

SCAN_ROWS = 4096
"""Rows per batch of a scan: 10 MB at 1,280 numbers."""


class Source(NamedTuple):
    """The origin of rows: a video, the checksum of its file, and the fingerprint of the network."""

    video_id: str
    file_sha256: str
    extractor: str


@dataclass(frozen=True)
class VideoRows:
    """All rows of one video: ``times[rows]`` in seconds and ``vectors[rows, dim]`` float16."""

    source: Source
    times: NDArray[np.float64]
    vectors: NDArray[np.float16]


class FeatureStore:
    """The feature arrays below a folder: ``<root>/<stream>/<shard>.lance``.

    Args:
        locks: those of the lake; by default, files next to arrays on disk.
    """

    def __init__(self, root: Place, locks: Locks | None = None) -> None:
        self.root = root
        self._locks = locks or Locks(Path(str(root)) / ".locks")

    def array(self, stream: str, shard: str) -> FeatureArray:
        """The array of one stream and shard, which may not exist yet."""
        return FeatureArray(self.root / stream / f"{shard}.lance")

    @contextmanager
    def locked(self, shard: str) -> Iterator[None]:
        """Let one process at a time fill the arrays of a shard; others wait, and then find the rows."""
        with self._locks.held(f"features-{shard}"):
            yield


class FeatureArray:
    """The rows of one stream and shard, grouped by video.

    All rows of a video are appended in one transaction, so that a killed process leaves no incomplete video.
    """

    def __init__(self, path: Place) -> None:
        self.path = path

    def append(self, videos: Sequence[VideoRows]) -> None:
        """Append the rows of videos: all of them, or none if interrupted."""
        if videos:
            self._write(map(_batch, videos), _schema(videos[0].vectors.shape[1]), "append")

    def finished(self) -> dict[Source, int]:
        """The stored sources, with the number of rows of each."""
        return {source: rows for source, _, rows in self._runs()}

    def finish(self, wanted: Sequence[Source]) -> None:
        """Reduce the array to the rows of ``wanted``, in that order; writes nothing if it has exactly these.

        The content therefore does not depend on interruptions or on earlier calls.

        Raises:
            KeyError: a wanted source is not stored.
        """
        runs = self._runs()
        if [source for source, _, _ in runs] == list(wanted):
            return
        where = {source: (first, rows) for source, first, rows in runs}
        missing = [source.video_id for source in wanted if source not in where]
        if missing:
            raise KeyError(f"{self.path}: no rows of {', '.join(missing)}")
        data = self._open()
        spans = (where[source] for source in wanted)
        batches = (
            batch
            for first, rows in spans
            for batch in data.scanner(offset=first, limit=rows, batch_size=SCAN_ROWS).to_batches()
        )
        self._write(batches, data.schema, "overwrite")

    def index(self) -> pl.DataFrame:
        """One row per video in the order of the array: the columns of ``Source``, then first_row, rows, content_hash.

        ``content_hash`` is the SHA-256 of times and vectors, computed from the stored rows.
        """
        columns = [*Source._fields, "first_row", "rows", "content_hash"]
        types = [pl.String] * 3 + [pl.Int64] * 2 + [pl.String]
        records = [(*source, first, rows, self._digest(first, rows)) for source, first, rows in self._runs()]
        return pl.DataFrame(records, schema=dict(zip(columns, types, strict=True)), orient="row")

    def rows(self, first_row: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float16]]:
        """``times[rows]`` and ``vectors[rows, dim]`` of consecutive rows."""
        table = self._open().to_table(columns=["time_s", "vector"], offset=first_row, limit=rows)
        return table["time_s"].to_numpy(), _vectors(table["vector"])

    def read_video(self, video_id: str) -> tuple[NDArray[np.float64], NDArray[np.float16]]:
        """``times[rows]`` and ``vectors[rows, dim]`` of a video; no rows if it is not stored."""
        for source, first, rows in self._runs():
            if source.video_id == video_id:
                return self.rows(first, rows)
        return np.empty(0), np.empty((0, 0), np.float16)

    def take(self, spans: Sequence[tuple[int, int]]) -> list[NDArray[np.float16]]:
        """``vectors[rows, dim]`` of each (first_row, rows), in one request."""
        if not spans:
            return []
        picks = [row for first, rows in spans for row in range(first, first + rows)]
        vectors = _vectors(self._open().take(picks, columns=["vector"])["vector"])
        return np.split(vectors, np.cumsum([rows for _, rows in spans])[:-1])

    def version(self) -> int | None:
        """Version of the array, which every write increments; None before the first."""
        return self._open().version if self._exists() else None

    def _exists(self) -> bool:
        return bool(array_versions(self.path))

    def _open(self) -> lance.LanceDataset:
        return open_array(self.path)

    def _write(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, mode: WriteMode) -> None:
        write_array(self.path, pa.RecordBatchReader.from_batches(schema, batches), mode)

    def _runs(self) -> list[tuple[Source, int, int]]:
        """Source, first row and number of rows of each run of equal sources, in the order of the array."""
        if not self._exists():
            return []
        table = pl.from_arrow(self._open().to_table(columns=list(Source._fields)))
        assert isinstance(table, pl.DataFrame)
        runs = (
            table.with_row_index("first_row")
            .group_by(pl.struct(Source._fields).rle_id().alias("run"), maintain_order=True)
            .agg(*(pl.first(name) for name in (*Source._fields, "first_row")), pl.len().alias("rows"))
            .drop("run")
        )
        return [(Source(*row[:3]), row[3], row[4]) for row in runs.iter_rows()]

    def _digest(self, first_row: int, rows: int) -> str:
        return rows_hash(*self.rows(first_row, rows))


def rows_hash(times: NDArray[np.float64], vectors: NDArray[np.float16]) -> str:
    """The ``content_hash`` of the rows of a video."""
    return hashlib.sha256(times.tobytes() + vectors.tobytes()).hexdigest()


def _schema(dim: int) -> pa.Schema:
    texts = [pa.field(name, pa.string(), nullable=False) for name in Source._fields]
    time = pa.field("time_s", pa.float64(), nullable=False)
    return pa.schema([*texts, time, pa.field("vector", pa.list_(pa.float16(), dim), nullable=False)])


def _batch(video: VideoRows) -> pa.RecordBatch:
    rows, dim = video.vectors.shape
    texts = [pa.array([text] * rows, pa.string()) for text in video.source]
    flat = pa.array(np.ascontiguousarray(video.vectors, np.float16).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, dim)
    return pa.record_batch([*texts, pa.array(video.times, pa.float64()), vectors], schema=_schema(dim))


def _vectors(column: pa.ChunkedArray) -> NDArray[np.float16]:
    dim = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate([np.empty(0, np.float16), *parts]).reshape(-1, dim)

"""The embeddings of all clips on disk, with exact search or an index (IVF-PQ), without torch.

See ``ml.joint_embedding.search`` for embeddings and queries. Lance must not be used across a fork.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.lance_arrays import REPRODUCIBLE, array_versions, open_array, write_array
from ml.places import Place

if TYPE_CHECKING:
    import lance

SCAN_ROWS = 4096
"""Rows that are read at a time; the version of the embeddings depends on it."""
NUMBERS_OF_CODE = 8
"""Numbers of an embedding per byte of its code."""

SAMPLE_RATE = 32
"""Embeddings per centroid for training the index: an eighth of Lance's default, which would take most of the time."""


@dataclass(frozen=True)
class SearchOptions:
    """When an index is created, and how much of it a search reads.

    Below ``exact_below`` clips a query is compared with all of them. Otherwise it is compared with the codes of the
    ``probes`` nearest partitions, and then with the embeddings of the best ``candidates``.
    """

    exact_below: int = 50_000
    probes: int = 60
    candidates: int = 800


@dataclass(frozen=True)
class ClipEmbeddings:
    """Some clips: ``video_ids``, ``start_s`` and ``end_s`` (seconds), ``vectors[clips, dim]``."""

    video_ids: list[str]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    vectors: NDArray[np.floating]


class ClipIndex:
    """The embeddings in a folder, in half precision; memory does not grow with their number."""

    def __init__(self, path: Place, options: SearchOptions | None = None) -> None:
        self.path, self.options = path, options or SearchOptions()
        self._opened: tuple[list[str], lance.LanceDataset] | None = None
        self._pinned = False

    def write(self, clips: Iterable[ClipEmbeddings], dim: int) -> int:
        """Write the embeddings in place of older ones, and an index if there are enough of them.

        After an interruption the older ones stay. Until the index is complete, all searches are exact.

        Returns:
            Number of clips.
        """
        schema = pa.schema(
            [
                pa.field("video_id", pa.string(), nullable=False, metadata=REPRODUCIBLE),
                pa.field("start_s", pa.float64(), nullable=False),
                pa.field("end_s", pa.float64(), nullable=False),
                pa.field("vector", pa.list_(pa.float16(), dim), nullable=False),
            ]
        )
        reader = pa.RecordBatchReader.from_batches(schema, (_batch(each, schema) for each in clips))
        rows = write_array(self.path, reader, "overwrite")
        if rows >= self.options.exact_below:
            self._dataset().create_index(
                "vector",
                "IVF_PQ",
                metric="dot",
                num_partitions=max(1, round(rows**0.5 / 4)),
                num_sub_vectors=dim // NUMBERS_OF_CODE if dim % NUMBERS_OF_CODE == 0 else 1,
                sample_rate=SAMPLE_RATE,
                replace=True,
            )
        return rows

    def pinned(self) -> ClipIndex:
        """The current embeddings, which stay readable even when others replace them."""
        same = ClipIndex(self.path, self.options)
        same._dataset()
        same._pinned = True
        return same

    def exists(self) -> bool:
        """Whether there are embeddings."""
        return bool(array_versions(self.path))

    @property
    def indexed(self) -> bool:
        """Whether there is an index; without one all searches are exact."""
        return bool(self._dataset().describe_indices())

    def __len__(self) -> int:
        return int(self._dataset().count_rows())

    def version(self) -> str | None:
        """Content version, computed from the stored rows; None if there are none."""
        if not self.exists():
            return None
        digest = hashlib.sha256()
        for batch in self._dataset().scanner(batch_size=SCAN_ROWS).to_batches():
            digest.update(repr([batch[name].to_pylist() for name in ("video_id", "start_s", "end_s")]).encode())
            digest.update(batch["vector"].flatten().to_numpy(zero_copy_only=False).tobytes())
        return digest.hexdigest()[:16]

    def take(self, rows: NDArray[np.int64]) -> ClipEmbeddings:
        """Some clips by number, in the order in which they were written."""
        table = self._dataset().take(rows.tolist()).combine_chunks()
        start_s, end_s = (table[name].to_numpy() for name in ("start_s", "end_s"))
        vectors = pa.concat_arrays(table["vector"].chunks).flatten().to_numpy(zero_copy_only=False)
        return ClipEmbeddings(table["video_id"].to_pylist(), start_s, end_s, vectors.reshape(len(table), -1))

    def nearest(self, query: NDArray[np.floating], limit: int, exact: bool = False) -> pa.Table:
        """The clips with the largest dot product with ``query[dim]``, best first, with it as ``score``.

        Args:
            exact: compare with all clips, also if there is an index.

        Raises:
            FileNotFoundError: there are no embeddings.
            ValueError: the query has another length than the embeddings.
        """
        dataset = self._dataset()
        dim = dataset.schema.field("vector").type.list_size
        if query.shape != (dim,):
            raise ValueError(f"{self.path}: a query of {query.shape} numbers, embeddings of {dim}")
        search = {"column": "vector", "q": query.astype(np.float32), "k": limit, "metric": "dot"}
        if exact:
            search |= {"use_index": False}
        else:
            search |= {"nprobes": self.options.probes, "refine_factor": -(-self.options.candidates // limit)}
        columns = ["video_id", "start_s", "end_s", "_distance"]
        rows = dataset.scanner(columns=columns, nearest=search, with_row_id=True).to_table()
        score = 1 - rows["_distance"].to_numpy()  # the distance of "dot" is 1 minus the product
        return rows.drop_columns(["_distance"]).append_column("score", pa.array(score))

    def recall(self, queries: NDArray[np.floating], limit: int = 10) -> float:
        """Share of the exact ``limit`` best clips that the index finds, mean over ``queries[n, dim]``."""
        shares = []
        for query in queries:
            exact, found = (self.nearest(query, limit, each)["_rowid"].to_pylist() for each in (True, False))
            shares.append(len(set(exact) & set(found)) / len(exact))
        return float(np.mean(shares))

    def _dataset(self) -> lance.LanceDataset:
        if self._pinned and self._opened:
            return self._opened[1]
        # Opened once per version: the parts of the index that it has read stay in memory.
        versions = array_versions(self.path)
        if not versions:
            raise FileNotFoundError(f"{self.path}: no embeddings are there; materialise clip_search_index")
        if self._opened is None or self._opened[0] != versions:
            self._opened = versions, open_array(self.path)
        return self._opened[1]


def _batch(clips: ClipEmbeddings, schema: pa.Schema) -> pa.RecordBatch:
    flat = pa.array(np.ascontiguousarray(clips.vectors, np.float16).reshape(-1))
    columns = [
        pa.array(clips.video_ids, pa.string()),
        pa.array(clips.start_s),
        pa.array(clips.end_s),
        pa.FixedSizeListArray.from_arrays(flat, schema.field("vector").type.list_size),
    ]
    return pa.record_batch(columns, schema=schema)

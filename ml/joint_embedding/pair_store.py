"""Clip–caption pairs on disk as Lance arrays: one array per shard of videos, one row per pair.

Memory grows only with the number of pairs without a known word, which are few. Lance must not be used across a fork.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.files import content_hash
from ml.lance_shards import LanceShards, VectorColumn
from ml.text.word_vectors import MAX_WORDS, WordVectors
from ml.token_ids import TokenIds, token_ids

if TYPE_CHECKING:
    import lance

    from ml.joint_embedding.pairs import VideoPairs


SCAN_ROWS = 4096
"""Rows that are read at a time; the version of an array depends on it."""


@dataclass(frozen=True)
class Place:
    """Where the pairs of a video are: rows ``first_row … first_row + pairs`` of its shard's array."""

    video_id: str
    shard: str
    first_row: int
    pairs: int
    content_hash: str


class PairStore(LanceShards):
    """The pair arrays below a folder: ``<root>/<shard>.lance``."""

    made_by = "clip_pairs"

    def write(self, shard: str, videos: Iterable[tuple[str, VideoPairs]], dim: int) -> list[Place]:
        """Write the array of one shard in place of an older one: all of it, or nothing if interrupted.

        Returns:
            The place of each video in the order of ``videos``.
        """
        places: list[Place] = []

        def batches() -> Iterable[pa.RecordBatch]:
            row = 0
            for video_id, pairs in videos:
                count = len(pairs.captions)
                places.append(Place(video_id, shard, row, count, _content_hash(pairs)))
                row += count
                if count:
                    yield _batch(video_id, pairs, dim)

        self._replace(shard, _schema(dim), batches())
        return places

    def version_of(self, shard: str) -> str | None:
        """Content version of a shard's array, read back from its rows; None if there is none."""
        if not self._exists(shard):
            return None
        digest = hashlib.sha256()
        for batch in self.open(shard).scanner(batch_size=SCAN_ROWS).to_batches():
            digest.update(
                repr([batch[name].to_pylist() for name in ("video_id", "start_s", "end_s", "caption")]).encode()
            )
            digest.update(batch["vector"].flatten().to_numpy(zero_copy_only=False).tobytes())
        return digest.hexdigest()[:16]


class StoredPairs:
    """The pairs of some videos by number (``ml.joint_embedding.pairs.PairSource``); captions become ids of ``words``.

    Worker processes get a copy that opens the arrays again.

    Args:
        store: where the arrays are.
        places: the videos; pairs without a known word are dropped, and so are videos without another pair.
        words: the word vectors; ids are their rows.

    ``without_words`` counts the dropped pairs.
    """

    def __init__(self, store: PairStore, places: Sequence[Place], words: WordVectors) -> None:
        self._made_from = store, places, words
        ordered = sorted((place for place in places if place.pairs), key=lambda place: (place.shard, place.first_row))
        self.identity = content_hash([place.content_hash for place in ordered], digits=64)
        shards = sorted({place.shard for place in ordered})
        arrays = [store.open(shard) for shard in shards]
        self.dim = int(arrays[0].schema.field("vector").type.list_size) if shards else 0
        self._vectors = [VectorColumn(array, "vector", self.dim) for array in arrays]
        self._ids = [_ids(array, words) for array in arrays]
        self._shard_of_video = np.array([shards.index(place.shard) for place in ordered], np.int64)
        self._first_row = np.array([place.first_row for place in ordered], np.int64)
        self._stored = np.cumsum([0, *(place.pairs for place in ordered)])
        unknown = self._without_known_words()
        self.without_words = len(unknown)
        # The stored position of the k-th remaining pair is k plus the number of dropped pairs before it.
        self._shift = unknown - np.arange(len(unknown))
        dropped = np.searchsorted(unknown, self._stored)
        self.offsets = np.unique(self._stored - dropped)

    def __reduce__(self) -> tuple[type[StoredPairs], tuple[PairStore, Sequence[Place], WordVectors]]:
        return StoredPairs, self._made_from

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        vectors, ids = np.empty((len(pairs), self.dim), np.float16), np.empty((len(pairs), MAX_WORDS), np.int64)
        for shard, mine, rows in self._rows(pairs):
            self._vectors[shard].read(rows, vectors, mine)
            ids[mine] = self._ids[shard].padded(rows, MAX_WORDS)
        return vectors, ids

    def take_ids(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        ids = np.empty((len(pairs), MAX_WORDS), np.int64)
        for shard, mine, rows in self._rows(pairs):
            ids[mine] = self._ids[shard].padded(rows, MAX_WORDS)
        return ids

    def _rows(self, pairs: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """For each shard the positions of its pairs, and their rows in the array."""
        stored = pairs + np.searchsorted(self._shift, pairs, side="right")
        video = np.searchsorted(self._stored, stored, side="right") - 1
        rows = self._first_row[video] + stored - self._stored[video]
        shards = self._shard_of_video[video]
        for shard in np.unique(shards).tolist():
            mine = np.flatnonzero(shards == shard)
            yield shard, mine, rows[mine]

    def _without_known_words(self) -> NDArray[np.int64]:
        """Numbers of the stored pairs without a known word, ascending."""
        found = [np.empty(0, np.int64)]
        for shard, ids in enumerate(self._ids):
            videos = np.flatnonzero(self._shard_of_video == shard)
            at = np.flatnonzero(np.diff(ids.ends) == 0)
            video = videos[np.searchsorted(self._first_row[videos], at, side="right") - 1]
            number = self._stored[video] + at - self._first_row[video]
            found.append(number[number < self._stored[video + 1]])
        return np.sort(np.concatenate(found))


def _ids(array: lance.LanceDataset, words: WordVectors) -> TokenIds:
    """Ids of an array's captions, of their first ``MAX_WORDS`` known words."""

    def texts() -> Iterator[list[str]]:
        return (batch["caption"].to_pylist() for batch in array.scanner(columns=["caption"]).to_batches())

    return token_ids(array, texts, words.ids, content_hash((words.words, MAX_WORDS)))


def _content_hash(pairs: VideoPairs) -> str:
    parts = [
        pairs.start_s.tobytes(),
        pairs.end_s.tobytes(),
        "\n".join(pairs.captions).encode(),
        pairs.vectors.tobytes(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _schema(dim: int) -> pa.Schema:
    return pa.schema(
        [
            pa.field("video_id", pa.string(), nullable=False),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("end_s", pa.float64(), nullable=False),
            pa.field("caption", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dim), nullable=False),
        ]
    )


def _batch(video_id: str, pairs: VideoPairs, dim: int) -> pa.RecordBatch:
    flat = pa.array(np.ascontiguousarray(pairs.vectors).reshape(-1))
    columns = [
        pa.array([video_id] * len(pairs.captions), pa.string()),
        pa.array(pairs.start_s),
        pa.array(pairs.end_s),
        pa.array(pairs.captions, pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, dim),
    ]
    return pa.record_batch(columns, schema=_schema(dim))

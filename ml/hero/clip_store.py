"""HERO's videos on disk as Lance arrays: one array per shard, one row per video (usually a clip of a longer video).

Text is stored as text, so that another vocabulary needs no other array. Lance must not be used across a fork.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.files import content_hash
from ml.hero.data.subtitles import Line
from ml.hero.video import Subtitle, Video
from ml.lance_shards import LanceShards
from ml.token_ids import TokenIds, token_ids

if TYPE_CHECKING:
    import lance

Encode = Callable[[str], Sequence[int]]
"""From a text to its tokens."""


class Clip(NamedTuple):
    """A stored video: one row of ``features[frames, dim]`` per ``interval_s`` seconds, and its subtitle lines."""

    clip_id: str
    features: NDArray[np.float16]
    interval_s: float
    lines: Sequence[Line]


@dataclass(frozen=True)
class ClipPlace:
    """Where a clip is: a row of its shard's array."""

    clip_id: str
    shard: str
    row: int
    content_hash: str


class ClipStore(LanceShards):
    """The clip arrays below a folder."""

    made_by = "hero_frames"

    def write(self, shard: str, clips: Iterable[Clip]) -> list[ClipPlace]:
        """Write the array of one shard in place of an older one; return the place of each clip, in the order given."""
        places: list[ClipPlace] = []

        def batches() -> Iterable[pa.RecordBatch]:
            for clip in clips:
                places.append(ClipPlace(clip.clip_id, shard, len(places), _content_hash(clip)))
                yield _batch(clip)

        self._replace(shard, _SCHEMA, batches())
        return places

    def version_of(self, shard: str) -> str | None:
        """Content version of a shard's array, read back from its rows; None if there is none."""
        if not self._exists(shard):
            return None
        digest = hashlib.sha256()
        for batch in self.open(shard).scanner(batch_size=64).to_batches():
            for row in range(len(batch)):
                digest.update(_content_hash(_clip(batch, row)).encode())
        return digest.hexdigest()[:16]


class StoredClips:
    """Clips by number, their texts as tokens (``ml.hero.pretraining.train.VideoSource``).

    Worker processes get a copy that opens the arrays again.

    Args:
        encode: from a text to its tokens.
        vocabulary: names what ``encode`` returns, with which the tokens of all texts are stored next to the arrays
            (``ml.token_ids``); None tokenises the texts of a clip whenever it is read.
    """

    def __init__(
        self, store: ClipStore, places: Sequence[ClipPlace], encode: Encode, vocabulary: str | None = None
    ) -> None:
        self._made_from = store, places, encode, vocabulary
        self.places = sorted(places, key=lambda place: (place.shard, place.row))
        self.encode = encode
        self._arrays = {shard: store.open(shard) for shard in sorted({place.shard for place in places})}
        self._lines = {}
        if vocabulary is not None:
            self._lines = {shard: _Lines.of(array, encode, vocabulary) for shard, array in self._arrays.items()}
        self.identity = content_hash([place.content_hash for place in self.places], digits=64)

    def __reduce__(self) -> tuple[type[StoredClips], tuple[ClipStore, Sequence[ClipPlace], Encode, str | None]]:
        return StoredClips, self._made_from

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int, /) -> Video:
        return self.take([number])[0]

    def take(self, numbers: Sequence[int], /) -> list[Video]:
        """The clips with these numbers, in their order; each array is read once."""
        found: dict[int, Video] = {}
        for shard in {self.places[number].shard for number in numbers}:
            own = sorted({number for number in numbers if self.places[number].shard == shard})
            rows = [self.places[number].row for number in own]
            found |= dict(zip(own, self._videos(shard, rows), strict=True))
        return [found[number] for number in numbers]

    def _videos(self, shard: str, rows: Sequence[int]) -> Iterator[Video]:
        lines = self._lines.get(shard)
        columns = [field.name for field in _SCHEMA if field.name != "text"] if lines else None
        batches = self._arrays[shard].take(list(rows), columns=columns).to_batches()
        position = 0
        for batch in batches:
            for row in range(len(batch)):
                if lines is None:
                    yield tokenised(_clip(batch, row), self.encode)
                else:
                    yield lines.video(batch, row, rows[position])
                position += 1

    @property
    def dim(self) -> int:
        """Numbers of a frame's features; 0 without a clip."""
        return int(self[0].features.shape[1]) if self.places else 0


@dataclass(frozen=True)
class _Lines:
    """The tokens of the lines of an array's clips: clip i has the lines ``ends[i]`` to ``ends[i + 1]``."""

    tokens: TokenIds
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, array: lance.LanceDataset, encode: Encode, vocabulary: str) -> _Lines:
        def texts() -> Iterator[list[str]]:
            return (batch["text"].flatten().to_pylist() for batch in array.scanner(columns=["text"]).to_batches())

        counts = [
            np.diff(batch["start_s"].offsets.to_numpy()) for batch in array.scanner(columns=["start_s"]).to_batches()
        ]
        ends = np.concatenate([[0], *counts]).astype(np.int64).cumsum()
        return cls(token_ids(array, texts, lambda some: map(encode, some), vocabulary), ends)

    def video(self, batch: pa.RecordBatch, row: int, stored_row: int) -> Video:
        """The clip in a row of a batch; ``stored_row`` is its row in the array."""
        clip_id, interval_s, dim = (batch[name][row].as_py() for name in ("clip_id", "interval_s", "dim"))
        features, starts, stops = (_values(batch, name, row) for name in ("features", "start_s", "end_s"))
        ends = self.tokens.ends[self.ends[stored_row] : self.ends[stored_row + 1] + 1]
        tokens = self.tokens.ids[ends[0] : ends[-1]].tolist() if len(ends) else []
        bounds = (ends - ends[0]).tolist()
        subtitles = [
            Subtitle(start, stop, tuple(tokens[first:last]))
            for start, stop, first, last in zip(starts.tolist(), stops.tolist(), bounds, bounds[1:], strict=False)
            if last > first
        ]
        return Video(clip_id, features.reshape(-1, dim), interval_s, subtitles)


def _values(batch: pa.RecordBatch, name: str, row: int) -> NDArray[np.floating]:
    """The numbers of a row of a column of lists."""
    column = batch[name]
    first, end = column.offsets[row].as_py(), column.offsets[row + 1].as_py()
    return column.values.slice(first, end - first).to_numpy(zero_copy_only=False)


def tokenised(clip: Clip, encode: Encode) -> Video:
    """A clip as input of the model; lines without a token are left out."""
    lines = (Subtitle(line.start_s, line.end_s, tuple(encode(line.text))) for line in clip.lines)
    return Video(clip.clip_id, clip.features, clip.interval_s, [line for line in lines if line.tokens])


_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("interval_s", pa.float64(), nullable=False),
        pa.field("dim", pa.int64(), nullable=False),
        pa.field("features", pa.list_(pa.float16()), nullable=False),
        pa.field("start_s", pa.list_(pa.float64()), nullable=False),
        pa.field("end_s", pa.list_(pa.float64()), nullable=False),
        pa.field("text", pa.list_(pa.string()), nullable=False),
    ]
)


def _batch(clip: Clip) -> pa.RecordBatch:
    flat = np.ascontiguousarray(clip.features, np.float16).reshape(-1)
    features = pa.ListArray.from_arrays(pa.array([0, len(flat)], pa.int32()), pa.array(flat))
    columns = [
        pa.array([clip.clip_id]),
        pa.array([clip.interval_s]),
        pa.array([clip.features.shape[1]]),
        features,
        pa.array([[line.start_s for line in clip.lines]], pa.list_(pa.float64())),
        pa.array([[line.end_s for line in clip.lines]], pa.list_(pa.float64())),
        pa.array([[line.text for line in clip.lines]], pa.list_(pa.string())),
    ]
    return pa.record_batch(columns, schema=_SCHEMA)


def _clip(batch: pa.RecordBatch, row: int) -> Clip:
    dim = batch["dim"][row].as_py()
    features = batch["features"][row].values.to_numpy(zero_copy_only=False).reshape(-1, dim)
    lines = zip(*(batch[name][row].as_py() for name in ("start_s", "end_s", "text")), strict=True)
    return Clip(batch["clip_id"][row].as_py(), features, batch["interval_s"][row].as_py(), [Line(*x) for x in lines])


def _content_hash(clip: Clip) -> str:
    said = repr([tuple(line) for line in clip.lines]).encode()
    numbers = np.ascontiguousarray(clip.features, np.float16).tobytes()
    return hashlib.sha256(repr((clip.clip_id, clip.interval_s)).encode() + said + numbers).hexdigest()[:16]

"""The feature rows of a snapshot's videos, as files of their samples."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assets.exports.writer import ExportError
from assets.features.store import FeatureStore, rows_hash
from assets.lake.snapshot import Snapshot
from ml.machine import require_sound_machine

_INDEX = """
SELECT video_id, stream, shard, first_row, rows, content_hash FROM {feature_index}
WHERE rows > 0 AND list_contains($streams, stream) AND (len($shards) = 0 OR list_contains($shards, shard))
ORDER BY video_id, stream
"""


@dataclass(frozen=True)
class SampleFeatures:
    """Feature streams of the lake that an export writes."""

    store: FeatureStore
    streams: tuple[str, ...]

    def of(self, snapshot: Snapshot, shards: tuple[str, ...]) -> FilesOfVideos:
        """The files of the videos of some shards; of all where none is named.

        Raises:
            ExportError: the snapshot has no features.
        """
        if not snapshot.has("feature_index"):
            raise ExportError(
                "the snapshot has no table feature_index; materialize the asset video_features, or leave out --features"
            )
        places: dict[str, list[_Place]] = {}
        index = snapshot.sql(_INDEX, streams=list(self.streams), shards=list(shards))
        for video_id, *place in index.iter_rows():
            places.setdefault(video_id, []).append(_Place(*place))
        return FilesOfVideos(self.store, snapshot.number, places)


@dataclass(frozen=True)
class _Place:
    stream: str
    shard: str
    first_row: int
    rows: int
    content_hash: str


@dataclass(frozen=True)
class FilesOfVideos:
    """Where the rows of videos are; they are read when they are written."""

    store: FeatureStore
    snapshot: int
    places: dict[str, list[_Place]]

    def files(self, video_id: str) -> Iterator[tuple[str, bytes]]:
        """Suffix and content of the file ``<stream>.npy`` of each stream that has rows of the video.

        Raises:
            ExportError: the arrays hold other rows than the snapshot.
        """
        for place in self.places.get(video_id, ()):
            other = (
                f"{video_id}: the arrays hold other rows of {place.stream} than snapshot {self.snapshot}; leave out"
                " --features, or export the newest snapshot after howto refresh"
            )
            try:
                times, vectors = self.store.array(place.stream, place.shard).rows(place.first_row, place.rows)
            except (OSError, ValueError) as error:
                require_sound_machine(error)
                raise ExportError(f"{other} ({error})") from error
            if rows_hash(times, vectors) != place.content_hash:
                raise ExportError(other)
            content = io.BytesIO()
            np.save(content, vectors)
            yield f"{place.stream}.npy", content.getvalue()

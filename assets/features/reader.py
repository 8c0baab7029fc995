"""Reading the feature rows of a video by its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.store import FeatureStore


@dataclass(frozen=True)
class StreamRows:
    """The rows of a video in one stream: ``times[rows]`` in seconds, ``vectors[rows, dim]``, and rows per second."""

    times: NDArray[np.float64]
    vectors: NDArray[np.float16]
    rate_hz: float


class FeatureReader:
    """Feature rows by video. The index is read once; each video is then one dictionary lookup per stream.

    Args:
        index: rows of ``feature_index``, of one shard or of several.
        store: the feature arrays.
        streams: the streams to read, in the order of the results.
    """

    def __init__(self, index: pl.DataFrame, store: FeatureStore, streams: Sequence[str]) -> None:
        self.store, self.streams = store, tuple(streams)
        self._index = index.filter(pl.col("stream").is_in(self.streams))
        columns = ("video_id", "stream", "shard", "first_row", "rows", "rate_hz")
        self._places = {
            (video_id, stream): tuple(place)
            for video_id, stream, *place in self._index.filter(pl.col("rows") > 0).select(columns).iter_rows()
        }

    @property
    def dim(self) -> int:
        """Numbers in a row of all streams side by side; a stream without videos counts as 0."""
        return int(self._index.group_by("stream").agg(pl.col("dim").max())["dim"].sum())

    @cached_property
    def video_ids(self) -> tuple[str, ...]:
        """The videos that have rows in every stream, in the order of the index."""
        listed = dict.fromkeys(video_id for video_id, _ in self._places)
        return tuple(video_id for video_id in listed if self.missing_stream(video_id) is None)

    def missing_stream(self, video_id: str) -> str | None:
        """The first stream that has no rows of the video; None if every stream has some."""
        return next((stream for stream in self.streams if (video_id, stream) not in self._places), None)

    def read(self, video_id: str) -> list[StreamRows] | None:
        """The rows of a video in each stream; None if some stream has none."""
        if self.missing_stream(video_id) is not None:
            return None
        return [self._read(stream, *self._places[video_id, stream]) for stream in self.streams]

    def _read(self, stream: str, shard: str, first_row: int, rows: int, rate_hz: float) -> StreamRows:
        return StreamRows(*self.store.array(stream, shard).rows(first_row, rows), rate_hz)

"""From the video files of a shard to its feature rows.

Belongs here: decoding beside the network, batches across videos, and carrying on after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Full, Queue
from threading import Event
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assets.features.decode import DecodeError, Image, frames_at
from assets.features.store import FeatureArray, FeatureStore, Source, VideoRows
from ml.vision.backbone import Backbone

BATCH = 32
WORKERS = 2
WAITING = 64
"""Decoded pictures that may wait for the network: 10 MB at 224 × 224."""
UNSAVED_ROWS = 4096
"""Rows after which videos are saved; what an interruption may cost."""


@dataclass(frozen=True)
class VideoFile:
    """A video of the shard, its file, and the file's checksum."""

    video_id: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Extraction:
    """Outcome of a video: the number of its rows, or what is wrong with its file."""

    video_id: str
    rows: int
    status: Literal["ok", "failed"]
    error: str | None = None


Progress = Callable[[Extraction], None]


def extract_shard(
    files: Sequence[VideoFile],
    backbone: Backbone,
    store: FeatureStore,
    shard: str,
    progress: Progress | None = None,
) -> list[Extraction]:
    """Fill one shard's array with the vectors of its videos; afterwards it holds exactly the good ones, by id.

    A video whose rows of this file and this network are there already is not decoded again. A file that cannot be
    decoded is recorded and harms no other.

    Args:
        files: the videos of the shard, each once.
        backbone: network that turns pictures into vectors; its name is that of the stream.
        store: where the arrays are.
        shard: name of the shard.
        progress: told of each video when its rows are saved or its file has failed.

    Returns:
        The outcome of each video, sorted by id.
    """
    array = store.array(backbone.name, shard)
    sources = {file.video_id: Source(file.video_id, file.sha256, backbone.fingerprint) for file in files}
    there = array.finished()
    assembly = _Assembly(array, backbone, sources, progress or (lambda outcome: None))
    for video_id, source in sources.items():
        if source in there:
            assembly.record(Extraction(video_id, there[source], "ok"))
    missing = [file for file in files if sources[file.video_id] not in there]
    for file, item in _pictures(missing, backbone):
        if item is None:
            assembly.end(file.video_id)
        elif isinstance(item, DecodeError):
            assembly.record(Extraction(file.video_id, 0, "failed", str(item)))
        else:
            assembly.add(file.video_id, *item)
    assembly.run_batch()
    assembly.save()
    outcomes = sorted(assembly.outcomes, key=lambda outcome: outcome.video_id)
    array.finish([sources[outcome.video_id] for outcome in outcomes if outcome.status == "ok"])
    return outcomes


@dataclass
class _Rows:
    times: list[float] = field(default_factory=list)
    vectors: list[NDArray[np.float16]] = field(default_factory=list)


@dataclass
class _Assembly:
    """Pictures of several videos on their way through the network and into the array."""

    array: FeatureArray
    backbone: Backbone
    sources: dict[str, Source]
    progress: Progress
    outcomes: list[Extraction] = field(default_factory=list)
    _videos: dict[str, _Rows] = field(default_factory=dict)
    _batch: list[tuple[str, Image]] = field(default_factory=list)
    _ended: list[str] = field(default_factory=list)
    _unsaved: list[VideoRows] = field(default_factory=list)

    def add(self, video_id: str, time: float, image: Image) -> None:
        if self._batch and self._batch[0][1].shape != image.shape:
            self.run_batch()
        self._videos.setdefault(video_id, _Rows()).times.append(time)
        self._batch.append((video_id, image))
        if len(self._batch) == BATCH:
            self.run_batch()

    def end(self, video_id: str) -> None:
        """No more pictures of this video come; it is whole once the batch at hand has run."""
        self._ended.append(video_id)

    def run_batch(self) -> None:
        if self._batch:
            vectors = self.backbone(np.stack([image for _, image in self._batch])).astype(np.float16)
            for (video_id, _), vector in zip(self._batch, vectors, strict=True):
                if video_id in self._videos:
                    self._videos[video_id].vectors.append(vector)
            self._batch.clear()
        for video_id in self._ended:
            rows = self._videos.pop(video_id)
            self._unsaved.append(VideoRows(self.sources[video_id], np.array(rows.times), np.stack(rows.vectors)))
        self._ended.clear()
        if sum(len(video.times) for video in self._unsaved) >= UNSAVED_ROWS:
            self.save()

    def save(self) -> None:
        self.array.append(self._unsaved)
        for video in self._unsaved:
            self.record(Extraction(video.source.video_id, len(video.times), "ok"))
        self._unsaved.clear()

    def record(self, outcome: Extraction) -> None:
        self._videos.pop(outcome.video_id, None)
        self.outcomes.append(outcome)
        self.progress(outcome)


_Item = tuple[float, Image] | DecodeError | None


def _pictures(files: Sequence[VideoFile], backbone: Backbone) -> Iterator[tuple[VideoFile, _Item]]:
    """Pictures of several videos at once, each video's in order; then None, or the error that ended it."""
    queue: Queue[tuple[int, tuple[float, Image] | None]] = Queue(WAITING)
    stop = Event()

    def put(index: int, picture: tuple[float, Image] | None) -> None:
        while not stop.is_set():
            with suppress(Full):
                queue.put((index, picture), timeout=0.1)
                return

    def decode(index: int, path: Path) -> None:
        try:
            for picture in frames_at(path, backbone.rate_hz, backbone.short_side, backbone.centre_crop):
                put(index, picture)
                if stop.is_set():
                    return
        finally:
            put(index, None)

    with ThreadPoolExecutor(WORKERS) as pool:
        futures: list[Future[None]] = [pool.submit(decode, index, file.path) for index, file in enumerate(files)]
        try:
            running = len(files)
            while running:
                index, picture = queue.get()
                if picture is not None:
                    yield files[index], picture
                    continue
                running -= 1
                try:
                    futures[index].result()
                except DecodeError as error:
                    yield files[index], error
                else:
                    yield files[index], None
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)

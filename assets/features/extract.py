"""Extraction of features from the video files of a shard: decoding in parallel with the networks, in batches.

An interrupted extraction continues with the videos that are not saved yet.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Full, Queue
from threading import Event
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.decode import Clip, DecodeError, decode_clips
from assets.features.store import FeatureArray, FeatureStore, Source, VideoRows
from ml.vision.backbone import Backbone
from ml.vision.sampling import SourceVideo

BATCH = 32
"""Default number of pictures per batch of a network."""
WORKERS = 2
WAITING = 64
"""Decoded clips in the queue of the networks: 10 MB for single pictures of 224 × 224."""
UNSAVED_ROWS = 4096
UNSAVED_S = 60.0
"""Rows or seconds after which videos are saved; an interruption loses at most as many."""


@dataclass(frozen=True)
class VideoFile:
    """A video of the shard: its file, the checksum of the file, and its frame rate and duration."""

    video_id: str
    path: Path
    sha256: str
    video: SourceVideo


def readable_files(video_files: pl.DataFrame, media_root: Path) -> list[VideoFile]:
    """The videos of rows of ``video_files`` that can be decoded."""
    good = video_files.filter(pl.col("status") == "ok").select("video_id", "uri", "sha256", "frame_rate", "duration_s")
    return [
        VideoFile(video_id, media_root / uri, sha256, SourceVideo(rate, seconds))
        for video_id, uri, sha256, rate, seconds in good.iter_rows()
    ]


@dataclass(frozen=True)
class Extraction:
    """Outcome of a video in one stream: the number of its rows, or the error."""

    video_id: str
    stream: str
    rows: int
    rate_hz: float
    status: Literal["ok", "failed"]
    error: str | None = None


Progress = Callable[[Extraction], None]


def extract_shard(
    files: Sequence[VideoFile],
    backbones: Sequence[Backbone],
    store: FeatureStore,
    shard: str,
    progress: Progress | None = None,
    batch: int = BATCH,
) -> list[Extraction]:
    """Fill the shard's array of each network with the vectors of its videos, sorted by video id.

    A file is decoded once for all networks whose rows of it are missing; rows of the same file and network are not made
    again. A video that cannot be decoded, or whose vectors are not finite, is recorded and does not affect others.

    Args:
        files: the videos of the shard, each once.
        backbones: networks that turn pictures into vectors; a network's name is that of its stream.
        store: the feature arrays.
        shard: name of the shard.
        progress: called with the outcome of each video and stream, when its rows are saved or it has failed.
        batch: pictures per batch of a network.

    Returns:
        The outcome of each video in each stream, sorted by id and stream.

    Raises:
        OSError: the rows cannot be written. Rows that were saved before remain.
    """
    report = progress or (lambda outcome: None)
    streams = {each.name: _Stream(each, store.array(each.name, shard), files, report, batch) for each in backbones}
    missing = [(file, [name for name, stream in streams.items() if stream.lacks(file)]) for file in files]
    for file, item in _decoded([(file, names) for file, names in missing if names], streams):
        if isinstance(item, Clip):
            streams[item.stream].add(file.video_id, item)
            continue
        for stream in streams.values():
            if stream.lacks(file):
                stream.end(file.video_id, None if item is None else str(item))
    outcomes = [outcome for stream in streams.values() for outcome in stream.finish()]
    return sorted(outcomes, key=lambda outcome: (outcome.video_id, outcome.stream))


@dataclass
class _Rows:
    """Vectors of a video that are computed so far, by row; ``count`` is known when decoding has ended."""

    times: list[float] = field(default_factory=list)
    vectors: dict[int, NDArray[np.float16]] = field(default_factory=dict)
    count: int | None = None


class _Stream:
    """Batches the clips of several videos for one network, and saves the vectors in its array."""

    def __init__(
        self, backbone: Backbone, array: FeatureArray, files: Sequence[VideoFile], report: Progress, batch: int
    ) -> None:
        self.backbone, self.array, self.report, self.batch = backbone, array, report, batch
        self.samplings = {file.video_id: backbone.sampling(file.video) for file in files}
        self.sources = {file.video_id: Source(file.video_id, file.sha256, backbone.fingerprint) for file in files}
        self.outcomes: dict[str, Extraction] = {}
        self._videos: dict[str, _Rows] = defaultdict(_Rows)
        self._waiting: dict[tuple[int, ...], list[tuple[str, int, NDArray[np.uint8]]]] = defaultdict(list)
        self._unsaved: list[VideoRows] = []
        self._saved_at = time.monotonic()
        stored = array.finished()
        for video_id, source in self.sources.items():
            if source in stored:
                self._record(video_id, stored[source])

    def lacks(self, file: VideoFile) -> bool:
        return file.video_id not in self.outcomes

    def add(self, video_id: str, clip: Clip) -> None:
        """Add a clip to the batch of its shape, which holds clips of any video, and run the batch when it is full."""
        self._videos[video_id].times.append(clip.time_s)
        batch = self._waiting[clip.pictures.shape]
        batch.append((video_id, clip.row, clip.pictures))
        if len(batch) * len(clip.pictures) >= self.batch:
            self._run(clip.pictures.shape)
        elif sum(map(len, self._waiting.values())) * len(clip.pictures) >= 4 * self.batch:
            self._run(max(self._waiting, key=lambda shape: len(self._waiting[shape])))

    def end(self, video_id: str, error: str | None) -> None:
        """Record that decoding of a video has ended; it is complete when the batches with its clips have run."""
        if error is not None:
            self._fail(video_id, error)
            return
        self._videos[video_id].count = len(self._videos[video_id].times)
        self._complete(video_id)

    def finish(self) -> list[Extraction]:
        for shape in list(self._waiting):
            self._run(shape)
        self._save()
        good = sorted(video_id for video_id, outcome in self.outcomes.items() if outcome.status == "ok")
        self.array.finish([self.sources[video_id] for video_id in good])
        return list(self.outcomes.values())

    def _run(self, shape: tuple[int, ...]) -> None:
        clips = [clip for clip in self._waiting.pop(shape) if clip[0] in self._videos]
        if not clips:
            return
        # Numbers too large for half precision become infinite, which is checked below.
        with np.errstate(over="ignore"):
            vectors = self._full_batch(np.stack([pictures for _, _, pictures in clips])).astype(np.float16)
        for (video_id, row, _), vector in zip(clips, vectors, strict=True):
            self._videos[video_id].vectors[row] = vector
        for video_id in dict.fromkeys(video_id for video_id, _, _ in clips):
            self._complete(video_id)

    def _full_batch(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors of clips, computed in a full batch, because a network rounds differently in a smaller one."""
        lacking = -(-self.batch // clips.shape[1]) - len(clips)
        padded = np.pad(clips, [(0, max(lacking, 0))] + [(0, 0)] * (clips.ndim - 1))
        return self.backbone(padded)[: len(clips)]

    def _complete(self, video_id: str) -> None:
        rows = self._videos[video_id]
        if rows.count is None or len(rows.vectors) < rows.count:
            return
        vectors = np.stack([rows.vectors[row] for row in range(rows.count)])
        infinite = np.flatnonzero(~np.isfinite(vectors).all(1))
        if len(infinite):
            self._fail(video_id, f"row {infinite[0]} of {rows.count} by {self.backbone.name} is not finite")
            return
        del self._videos[video_id]
        self._unsaved.append(VideoRows(self.sources[video_id], np.array(rows.times), vectors))
        unsaved = sum(len(video.times) for video in self._unsaved)
        if unsaved >= UNSAVED_ROWS or time.monotonic() - self._saved_at >= UNSAVED_S:
            self._save()

    def _save(self) -> None:
        self.array.append(self._unsaved)
        for video in self._unsaved:
            self._record(video.source.video_id, len(video.times))
        self._unsaved.clear()
        self._saved_at = time.monotonic()

    def _fail(self, video_id: str, error: str) -> None:
        self._videos.pop(video_id, None)
        self._record(video_id, 0, error)

    def _record(self, video_id: str, rows: int, error: str | None = None) -> None:
        rate = float(self.samplings[video_id].row_rate)
        status: Literal["ok", "failed"] = "ok" if error is None else "failed"
        outcome = Extraction(video_id, self.backbone.name, rows, rate, status, error)
        self.outcomes[video_id] = outcome
        self.report(outcome)


_Item = Clip | DecodeError | None


def _decoded(
    files: Sequence[tuple[VideoFile, Sequence[str]]], streams: dict[str, _Stream]
) -> Iterator[tuple[VideoFile, _Item]]:
    """Clips of several videos in parallel, in order per video; after the last, None or the error that ended it."""
    queue: Queue[tuple[int, Clip | None]] = Queue(WAITING)
    stop = Event()

    def put(index: int, clip: Clip | None) -> None:
        while not stop.is_set():
            with suppress(Full):
                queue.put((index, clip), timeout=0.1)
                return

    def decode(index: int, file: VideoFile, names: Sequence[str]) -> None:
        try:
            for clip in decode_clips(file.path, {name: streams[name].samplings[file.video_id] for name in names}):
                put(index, clip)
                if stop.is_set():
                    return
        finally:
            put(index, None)

    with ThreadPoolExecutor(WORKERS) as pool:
        futures: list[Future[None]] = [pool.submit(decode, index, *item) for index, item in enumerate(files)]
        try:
            running = len(files)
            while running:
                index, clip = queue.get()
                if clip is not None:
                    yield files[index][0], clip
                    continue
                running -= 1
                try:
                    futures[index].result()
                except DecodeError as error:
                    yield files[index][0], error
                else:
                    yield files[index][0], None
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)

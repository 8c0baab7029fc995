"""Shots, and light, sharpness, motion and perceptual hashes of each second, from one decoding of all frames of a video.

The feature networks decode few frames, and skip what they do not need. Cuts need all, so this is a pass of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import polars as pl
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from assets.features.decode import DecodeError, every_frame
from assets.features.extract import VideoFile
from assets.lake import load_tables
from ml.files import content_hash
from ml.shots.hashes import hashes
from ml.shots.transitions import HEIGHT, WIDTH, Cells, Transition, cells, transitions

VERSION = "4"
"""Raise it whenever a change of this code, or of ``ml.shots``, may change what is measured."""
LARGE_WIDTH, LARGE_HEIGHT = 256, 144
"""Size at which sharpness and hashes are measured, whatever the size of the video."""
WORKERS = 2
BATCH = 256
"""Frames that become cells at once."""


@dataclass(frozen=True)
class Second:
    """The first frame of a second of a video: time, brightness, sharpness and hashes, and its number in the video."""

    time_s: float
    frame: int
    brightness: float
    sharpness: float
    hashes: dict[str, int | None]


@dataclass(frozen=True)
class Frames:
    """All frames of a video: ``times[n]`` in seconds, ``cells[n, ...]``; and the first frame of each second."""

    times: NDArray[np.float64]
    cells: Cells
    seconds: list[Second]

    @property
    def frame_s(self) -> float:
        """Usual time between two frames, seconds."""
        return max(float(np.median(np.diff(self.times))), 1e-3) if len(self.times) > 1 else 1.0


def read_frames(path: Path) -> Frames:
    """Decode all frames of a video once.

    Raises:
        DecodeError: the video cannot be decoded to its end.
    """
    small, large = VideoReformatter(), VideoReformatter()
    times: list[float] = []
    seconds: list[Second] = []
    waiting: list[NDArray[np.uint8]] = []
    found: list[Cells] = []
    for time_s, frame in every_frame(path):
        if not seconds or int(time_s) > int(seconds[-1].time_s):
            seconds.append(_second(time_s, len(times), frame, large))
        times.append(time_s)
        waiting.append(_scaled(frame, small, WIDTH, HEIGHT, "rgb24"))
        if len(waiting) == BATCH:
            found.append(cells(np.stack(waiting)))
            waiting.clear()
    if waiting:
        found.append(cells(np.stack(waiting)))
    if not found:
        raise DecodeError(f"{path.name}: no frame can be decoded")
    return Frames(np.array(times), np.concatenate(found), seconds)


def _scaled(frame: av.VideoFrame, scaler: VideoReformatter, width: int, height: int, layout: str) -> NDArray[np.uint8]:
    scaled = scaler.reformat(frame, width, height, layout, interpolation=Interpolation.AREA, threads=1)
    return np.asarray(scaled.to_ndarray(), np.uint8)


def _second(time_s: float, number: int, frame: av.VideoFrame, scaler: VideoReformatter) -> Second:
    grey = _scaled(frame, scaler, LARGE_WIDTH, LARGE_HEIGHT, "gray").astype(np.float32)
    curves = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    turned = np.rot90(grey, round(frame.rotation / 90)) if frame.rotation else grey
    return Second(time_s, number, float(grey.mean() / 255), float(curves.var()), hashes(turned))


def measured_from(file: VideoFile) -> str:
    """What the rows of a video were measured from: a hash of its file and of the version of this code."""
    return content_hash((file.sha256, VERSION))


def measure_shard(
    files: Iterable[VideoFile],
    shard: str,
    progress: Callable[[], None] = lambda: None,
    known: tuple[pl.DataFrame, pl.DataFrame] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str]]:
    """The rows of ``shots`` and of ``frame_statistics`` of a shard's videos.

    Args:
        known: earlier rows of both tables; a file that they were measured from is not decoded again.

    Returns:
        Both tables, and why a video cannot be decoded, by video id; such a video has no rows.
    """
    files = sorted(files, key=lambda each: each.video_id)
    sources = {file.video_id: measured_from(file) for file in files}
    kept = [of_same_source(rows, sources) for rows in known] if known else []
    reused = set.intersection(*(set(rows["video_id"]) for rows in kept)) if kept else set()

    shots: list[tuple[object, ...]] = []
    statistics: list[tuple[object, ...]] = []
    failed: dict[str, str] = {}
    for file, outcome in decoded((each for each in files if each.video_id not in reused), progress):
        if isinstance(outcome, DecodeError):
            failed[file.video_id] = str(outcome)
            continue
        end_s = max(file.video.duration_s, float(outcome.times[-1]) + outcome.frame_s)
        source = sources[file.video_id]
        shots += [(shard, file.video_id, *row, source) for row in shot_rows(outcome, end_s)]
        statistics += [(shard, file.video_id, *row, source) for row in second_rows(outcome)]
    tables = load_tables()
    made = [tables["shots"].frame(shots), tables["frame_statistics"].frame(statistics)]
    for number, rows in enumerate(kept):
        made[number] = pl.concat([rows.filter(pl.col("video_id").is_in(reused)), made[number]]).sort("video_id")
    return made[0], made[1], failed


def decoded(
    files: Iterable[VideoFile], progress: Callable[[], None] = lambda: None
) -> Iterator[tuple[VideoFile, Frames | DecodeError]]:
    """The frames of each file, or why it cannot be decoded, in order; ``WORKERS`` files are decoded at once."""

    def measured(file: VideoFile) -> tuple[VideoFile, Frames | DecodeError]:
        try:
            outcome: Frames | DecodeError = read_frames(file.path)
        except DecodeError as error:
            outcome = error
        progress()
        return file, outcome

    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(measured, files)


def of_same_source(rows: pl.DataFrame, sources: Mapping[str, str]) -> pl.DataFrame:
    """The rows whose ``measured_from`` is what ``sources`` has for their video."""
    wanted = pl.DataFrame({"video_id": [*sources], "measured_from": [*sources.values()]})
    return rows.join(wanted, on=["video_id", "measured_from"], how="semi", maintain_order="left")


def shot_rows(frames: Frames, end_s: float) -> list[tuple[object, ...]]:
    """The shots of a video, which together cover it: from the column ``shot_index`` on."""
    changes = [*transitions(frames.cells, frames.frame_s)]
    borders = [0.0, *(_middle_s(change, frames.times) for change in changes), end_s]
    kinds: list[Transition | None] = [None, *changes]
    return [
        (
            index,
            borders[index],
            borders[index + 1],
            change.kind if change else None,
            float(frames.times[change.after] - frames.times[change.first]) if change else None,
        )
        for index, change in enumerate(kinds)
        if borders[index + 1] > borders[index]
    ]


def _middle_s(change: Transition, times: NDArray[np.float64]) -> float:
    return float(times[change.first] + times[change.after]) / 2


def second_rows(frames: Frames) -> list[tuple[object, ...]]:
    """What is measured of each second of a video: from the column ``second`` on."""
    numbers = [*(each.frame for each in frames.seconds), len(frames.cells) - 1]
    rows: list[tuple[object, ...]] = []
    for each, later in zip(frames.seconds, numbers[1:], strict=True):
        moved = np.abs(frames.cells[later].astype(np.int16) - frames.cells[each.frame]).mean() / 255
        rows.append((int(each.time_s), each.brightness, each.sharpness, float(moved), *each.hashes.values()))
    return rows

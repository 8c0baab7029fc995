"""CrossTask's published files, read and written: the folder that the authors' code expects. Errors name the line.
::

    crosstask_release/tasks_primary.txt, tasks_related.txt, videos.csv, videos_val.csv
    crosstask_release/annotations/<task>_<video>.csv
    crosstask_constraints/<task>_<video>.csv
    crosstask_features/<video>.npy
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.reading import csv_rows, parsed, read_array, seconds, text_lines

FEATURES = "crosstask_features"
"""Folder of the feature files."""


@dataclass(frozen=True)
class Task:
    """A task with its ordered steps."""

    task_id: str
    title: str
    url: str
    steps: tuple[str, ...]


class TaskVideo(NamedTuple):
    """A video of a task."""

    task_id: str
    video_id: str
    url: str


class Interval(NamedTuple):
    """A step, counted from 0, in seconds of the video."""

    step: int
    start_s: float
    end_s: float


class CrossTask:
    """The data set below a folder."""

    def __init__(self, root: Path) -> None:
        self.release = root / "crosstask_release"
        self._constraints = root / "crosstask_constraints"
        self._features = root / FEATURES

    def exists(self) -> bool:
        """Whether the folder holds the data set."""
        return (self.release / "tasks_primary.txt").exists()

    def primary(self) -> dict[str, Task]:
        """The annotated tasks by id."""
        return read_tasks(self.release / "tasks_primary.txt")

    def related(self) -> dict[str, Task]:
        """Tasks without annotations, for training, by id."""
        return read_tasks(self.release / "tasks_related.txt")

    def videos(self) -> list[TaskVideo]:
        """All videos but those held out for validation."""
        held_out = set(self.validation())
        return [video for video in read_videos(self.release / "videos.csv") if video not in held_out]

    def validation(self) -> list[TaskVideo]:
        """The videos that the authors hold out."""
        return read_videos(self.release / "videos_val.csv")

    def annotation(self, video: TaskVideo) -> list[Interval] | None:
        """The intervals in which each step is visible; None if the video is not annotated."""
        path = self.release / "annotations" / _file_name(video)
        return read_intervals(path) if path.exists() else None

    def constraint(self, video: TaskVideo) -> list[Interval]:
        """The intervals in which the narration allows each step."""
        return read_intervals(self._constraints / _file_name(video))

    def has_features(self, video: TaskVideo) -> bool:
        """Whether there is a feature file; some videos are no longer available."""
        return self._feature_path(video.video_id).exists()

    def features(self, video: TaskVideo) -> NDArray[np.floating]:
        """One row per second: ``[seconds, dim]``.

        Raises:
            ValueError: the file holds no such array, or numbers that are not finite.
        """
        path = self._feature_path(video.video_id)
        rows = read_array(path)
        if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.floating) or not np.isfinite(rows).all():
            raise ValueError(f"{path}: need finite numbers [seconds, dim], found {rows.dtype}{list(rows.shape)}")
        return rows

    def write(self, primary: Iterable[Task], related: Iterable[Task]) -> None:
        """Write both lists of tasks, and make the folders of all other files."""
        for folder in (self.release / "annotations", self._constraints, self._features):
            folder.mkdir(parents=True, exist_ok=True)
        write_tasks(primary, self.release / "tasks_primary.txt")
        write_tasks(related, self.release / "tasks_related.txt")

    def write_lists(self, videos: Iterable[TaskVideo], validation: Iterable[TaskVideo]) -> None:
        """Write both lists of videos; ``videos`` holds those of ``validation`` too."""
        write_videos(videos, self.release / "videos.csv")
        write_videos(validation, self.release / "videos_val.csv")

    def write_video(
        self,
        video: TaskVideo,
        features: NDArray[np.floating],
        constraint: Sequence[Interval],
        annotation: Sequence[Interval] | None,
    ) -> None:
        """Write the files of one video."""
        self.write_features(video, features)
        write_intervals(constraint, self._constraints / _file_name(video))
        if annotation is not None:
            write_intervals(annotation, self.release / "annotations" / _file_name(video))

    def write_features(self, video: TaskVideo, rows: NDArray[np.floating]) -> None:
        """Write the features of one video, one row per second: ``[seconds, dim]``."""
        self._features.mkdir(exist_ok=True)
        np.save(self._feature_path(video.video_id), rows, allow_pickle=False)

    def _feature_path(self, video_id: str) -> Path:
        return self._features / f"{video_id}.npy"


def read_tasks(path: Path) -> dict[str, Task]:
    """Blocks of id, title, url, number of steps, steps joined by commas, and a blank line.

    Raises:
        ValueError: a block is cut off, its number of steps is another, or its id occurs again.
    """
    lines = [line.strip() for _, line in text_lines(path)]
    while lines and not lines[-1]:
        lines.pop()
    tasks: dict[str, Task] = {}
    for first in range(0, len(lines), 6):
        block = lines[first : first + 6]
        place = f"{path}:{first + 1}"
        if len(block) < 5 or any(block[5:]) or not block[0]:
            raise ValueError(f"{place}: need id, title, url, number of steps, steps, blank line")
        steps = tuple(block[4].split(","))
        if block[3] != str(len(steps)):
            raise ValueError(f"{place}: task {block[0]} is said to have {block[3]} steps and lists {len(steps)}")
        if block[0] in tasks:
            raise ValueError(f"{place}: task {block[0]} occurs twice")
        tasks[block[0]] = Task(block[0], block[1], block[2], steps)
    return tasks


def write_tasks(tasks: Iterable[Task], path: Path) -> None:
    """The file that ``read_tasks`` reads.

    Raises:
        ValueError: a step has a comma in it, which separates steps.
    """
    blocks = []
    for task in tasks:
        if any("," in step for step in task.steps):
            raise ValueError(f"task {task.task_id}: a step has a comma in it: {task.steps}")
        blocks.append([task.task_id, task.title, task.url, str(len(task.steps)), ",".join(task.steps), "", ""])
    path.write_text("".join("\n".join(block) for block in blocks), encoding="utf-8")


def read_videos(path: Path) -> list[TaskVideo]:
    """Rows ``task,video_id,url`` without a header.

    Raises:
        ValueError: a row has another number of fields, or no task or id.
    """
    found = []
    for number, row in csv_rows(path, 3):
        video = TaskVideo(*(field.strip() for field in row))
        if not video.task_id or not video.video_id:
            raise ValueError(f"{path}:{number}: no task or no video id")
        found.append(video)
    return found


def write_videos(videos: Iterable[TaskVideo], path: Path) -> None:
    """The file that ``read_videos`` reads."""
    _write_rows(path, videos)


def read_intervals(path: Path) -> list[Interval]:
    """Rows ``step,start,end`` without a header, steps counted from 1 in the file.

    Raises:
        ValueError: a row is not a step and two finite numbers of seconds.
    """
    return [parsed(f"{path}:{number}", _interval, row) for number, row in csv_rows(path, 3)]


def write_intervals(intervals: Iterable[Interval], path: Path) -> None:
    """The file that ``read_intervals`` reads."""
    _write_rows(path, ((step + 1, start_s, end_s) for step, start_s, end_s in intervals))


def step_mask(intervals: Iterable[Interval], frames: int, steps: int) -> NDArray[np.bool_]:
    """``[frames, steps]``, one frame per second: ``⌊start⌋ … ⌈end⌉``, exclusive, of each interval.

    Raises:
        ValueError: a step is none of the task's.
    """
    mask = np.zeros((frames, steps), bool)
    for step, start_s, end_s in intervals:
        if not 0 <= step < steps:
            raise ValueError(f"step {step + 1} of a task of {steps} steps")
        mask[max(math.floor(start_s), 0) : max(math.ceil(end_s), 0), step] = True
    return mask


def _file_name(video: TaskVideo) -> str:
    return f"{video.task_id}_{video.video_id}.csv"


def _interval(row: list[str]) -> Interval:
    step, start_s, end_s = (field.strip() for field in row)
    if not step.isdecimal() or len(step) > 6 or int(step) < 1:
        raise ValueError(f"{','.join(row)[:80]} is not step,start,end")
    return Interval(int(step) - 1, seconds(start_s), seconds(end_s))


def _write_rows(path: Path, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)

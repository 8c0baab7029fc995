"""The synthetic world's videos as the benchmarks' published files, so that each loader and protocol meets real files.

Belongs here: from the world's true steps and the lake's features to those files; all of them are named synthetic.
Reading and measuring is the same as for the real ones. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.evaluation.benchmarks import Files
from assets.sources.protocol import VideoSource
from assets.sources.synthetic.ground_truth import task_steps
from ml.crosstask.evaluation import second_vectors
from ml.crosstask.files import CrossTask, Interval, Task, TaskVideo
from ml.joint_embedding.benchmarks import (
    STREAMS,
    EvaluationSet,
    write_lsmdc,
    write_msrvtt,
    write_msrvtt_test,
    write_youcook2,
)
from ml.joint_embedding.clip_vectors import clip_vectors
from ml.joint_embedding.pairs import Stream
from ml.text.tokens import clean, tokenize

StreamsOf = Callable[[str], Sequence[Stream] | None]
"""The feature rows of a video by each network; None if it has none."""

NAMED_SHARE = 0.5
"""Share of a step's words that a caption line must hold to tell of it."""


def step_clips(steps: pl.DataFrame, streams_of: StreamsOf, split: str) -> EvaluationSet:
    """A clip for each step that a video shows, with two captions: the step of the task, and what is seen.

    The first network's vectors stand as 2d, the second one's as 3d; of a single network, 3d vectors have no numbers.
    Videos without features, and steps in which no feature row lies, are left out.

    Args:
        steps: rows of ``synthetic_steps``.

    Raises:
        ValueError: no step has features, or there are more networks than the files have room for.
    """
    ids, captions = [], []
    parts: dict[str, list[NDArray[np.float32]]] = {stream: [] for stream in STREAMS}
    for (video_id,), own in sorted(steps.partition_by("video_id", as_dict=True).items()):
        streams = streams_of(str(video_id))
        if streams is None:
            continue
        if len(streams) > len(STREAMS):
            raise ValueError(f"{len(streams)} networks; the benchmarks' files hold the vectors of {len(STREAMS)}")
        own = own.sort("start_s")
        start_s, end_s = own["start_s"].to_numpy(), own["end_s"].to_numpy()
        pooled = [clip_vectors(stream.features, start_s, end_s, stream.rate_hz) for stream in streams]
        kept = ~np.any([empty for _, empty in pooled], axis=0)
        vectors = [clips[kept] for clips, _ in pooled] + [np.empty((kept.sum(), 0), np.float32)]
        for stream, clips in zip(STREAMS, vectors, strict=False):
            parts[stream].append(clips)
        shown = own.filter(pl.Series(kept))
        ids += [f"{video_id}_{step}" for step in shown["step_index"]]
        captions += [text for row in shown.select("step_text", "description").iter_rows() for text in row]
    if not ids:
        raise ValueError(f"synthetic benchmarks: no step of the {split} videos has features; extract them first")
    features: dict[str, NDArray[np.floating]] = {stream: np.concatenate(rows) for stream, rows in parts.items()}
    return EvaluationSet("synthetic", split, ids, features, captions, np.arange(len(ids)).repeat(2))


def write_benchmarks(root: Path, training: EvaluationSet, test: EvaluationSet) -> None:
    """Write all retrieval benchmarks, made of the same synthetic clips; formats with one caption hold what is seen."""
    files = Files(root)
    root.mkdir(parents=True, exist_ok=True)
    seen_training, seen_test = (_with_second_captions(each) for each in (training, test))
    write_youcook2(seen_training, files.youcook2_training)
    write_youcook2(seen_test, files.youcook2_test)
    write_msrvtt(training, files.msrvtt_training, files.msrvtt_training_captions, files.msrvtt_training_features)
    write_msrvtt(test, files.msrvtt_full, files.msrvtt_full_captions, files.msrvtt_features)
    write_msrvtt_test(seen_test, files.msrvtt_test, files.msrvtt_features)
    write_lsmdc(seen_training, files.lsmdc_training, files.lsmdc_training_features)
    write_lsmdc(seen_test, files.lsmdc_test, files.lsmdc_features)


def write_crosstask(
    root: Path,
    source: VideoSource,
    videos: pl.DataFrame,
    steps: pl.DataFrame,
    clips: pl.DataFrame,
    streams_of: StreamsOf,
    related_share: float = 0.3,
) -> CrossTask:
    """Write CrossTask's files of synthetic videos: features one row a second, annotations, and what narration allows.

    The last tasks by id are the related ones, whose videos get no annotation. The first video of each task is for
    validation if it has four or more. A caption line that holds half of a step's words allows the step while it is
    spoken. Features are the clip vectors of each second, which is what the joint embedding takes.

    Args:
        videos: video_id and task_id of the videos to write.
        steps, clips: their rows of ``synthetic_steps`` and ``clips``.
        related_share: share of the tasks that are related ones.
    """
    data = CrossTask(root)
    of_task: dict[str, list[str]] = {}
    for video_id, task_id in videos.select("video_id", "task_id").sort("video_id").iter_rows():
        of_task.setdefault(task_id, []).append(video_id)
    tasks = {task_id: _task(source, task_id) for task_id in sorted(of_task)}
    related = set(sorted(tasks)[len(tasks) - int(related_share * len(tasks)) :])
    data.write([task for i, task in tasks.items() if i not in related], [tasks[i] for i in sorted(related)])
    every, validation = [], []
    for task_id, task in tasks.items():
        own = [TaskVideo(task_id, video_id, f"synthetic://videos/{video_id}") for video_id in of_task[task_id]]
        every += own
        validation += own[:1] if len(own) > 3 and task_id not in related else []
        for video in own:
            streams = streams_of(video.video_id)
            if streams is None:
                continue  # as videos that are gone, it is listed and has no file
            seconds = int(min(len(stream.features) / stream.rate_hz for stream in streams))
            features = second_vectors([stream.features for stream in streams], seconds)
            shown = steps.filter(pl.col("video_id") == video.video_id).sort("start_s")
            seen = [Interval(*row) for row in shown.select("step_index", "start_s", "end_s").iter_rows()]
            said = narrated(task, clips.filter(pl.col("video_id") == video.video_id).sort("start_s"))
            data.write_video(video, features, said, None if task_id in related else seen)
    data.write_lists(every, validation)
    return data


def narrated(task: Task, lines: pl.DataFrame) -> list[Interval]:
    """When some caption line tells of a step: it holds half of its words or more, stop words apart."""
    of_step = [set(tokenize(clean(step))) for step in task.steps]
    found = []
    for start_s, end_s, text in lines.select("start_s", "end_s", "caption_clean").iter_rows():
        said = set(tokenize(text))
        found += [
            Interval(step, start_s, end_s)
            for step, words in enumerate(of_step)
            if words and len(words & said) >= NAMED_SHARE * len(words)
        ]
    return found


def _with_second_captions(data: EvaluationSet) -> EvaluationSet:
    one_each = np.arange(len(data.ids))
    return EvaluationSet(data.name, data.split, data.ids, data.streams, data.captions[1::2], one_each)


def _task(source: VideoSource, task_id: str) -> Task:
    steps = tuple(step.step_text for step in task_steps(source, task_id))
    return Task(task_id, f"synthetic task {task_id}", f"synthetic://articles/{task_id}", steps)

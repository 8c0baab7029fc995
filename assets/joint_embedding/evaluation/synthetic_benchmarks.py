"""Benchmark files in the published formats, made from the synthetic world's true steps and the lake's features.

Readers and protocols are the same as for the published benchmarks. Imports torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from assets.joint_embedding.evaluation.benchmarks import Files
from assets.sources.protocol import VideoSource
from assets.sources.synthetic.ground_truth import task_steps
from ml.crosstask.evaluation import second_vectors
from ml.crosstask.files import CrossTask, Interval, Task, TaskVideo
from ml.joint_embedding.benchmark_clips import StreamsOf, featured
from ml.joint_embedding.benchmarks import (
    ClipPlace,
    EvaluationSet,
    write_lsmdc,
    write_msrvtt,
    write_msrvtt_test,
    write_youcook2,
)
from ml.text.tokens import clean, tokenize

NAMED_SHARE = 0.5
"""Share of a step's words that a caption line must contain to mention the step."""


def step_clips(steps: pl.DataFrame, streams_of: StreamsOf, split: str) -> EvaluationSet:
    """One clip per step that a video shows, with two captions: the step of the task, and a description of the scene.

    Videos without features, and steps without a feature row, are left out.

    Args:
        steps: rows of ``synthetic_steps``.

    Raises:
        ValueError: no step has features, or the files cannot hold so many streams.
    """
    listed, places = listed_steps(steps, split)
    found, _ = featured(listed, places, streams_of)
    if not found.ids:
        raise ValueError(f"synthetic benchmarks: no step of the {split} videos has features; extract them first")
    return found


def listed_steps(steps: pl.DataFrame, split: str) -> tuple[EvaluationSet, list[ClipPlace]]:
    """The clips of ``step_clips`` without features, and their places."""
    shown = steps.sort("video_id", "start_s")
    ids = [f"{video_id}_{step}" for video_id, step in shown.select("video_id", "step_index").iter_rows()]
    captions = [text for row in shown.select("step_text", "description").iter_rows() for text in row]
    places = [ClipPlace(*row) for row in shown.select("video_id", "start_s", "end_s").iter_rows()]
    return EvaluationSet("synthetic", split, ids, {}, captions, np.arange(len(ids)).repeat(2)), places


def write_benchmarks(root: Path, training: EvaluationSet, test: EvaluationSet) -> None:
    """Write all retrieval benchmarks from the same synthetic clips; formats with one caption get the scene's."""
    files = Files(root)
    root.mkdir(parents=True, exist_ok=True)
    seen_training, seen_test = (with_second_captions(each) for each in (training, test))
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
    """Write CrossTask's files of synthetic videos: features per second, annotations, and constraints from narration.

    The last tasks by id are the related ones, whose videos have no annotation. The first video of a task with at least
    four is for validation. A caption line with half of a step's words allows the step while it is spoken. Features are
    the clip vectors of each second, the input of the joint embedding.

    Args:
        videos: video_id and task_id of the videos to write.
        steps, clips: the videos' rows of ``synthetic_steps`` and ``clips``.
        related_share: share of the tasks that are related.
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
                continue  # it is listed without a file, as a deleted video is
            seconds = int(min(len(stream.features) / stream.rate_hz for stream in streams))
            features = second_vectors([stream.features for stream in streams], seconds)
            shown = steps.filter(pl.col("video_id") == video.video_id).sort("start_s")
            seen = [Interval(*row) for row in shown.select("step_index", "start_s", "end_s").iter_rows()]
            said = narrated(task, clips.filter(pl.col("video_id") == video.video_id).sort("start_s"))
            data.write_video(video, features, said, None if task_id in related else seen)
    data.write_lists(every, validation)
    return data


def narrated(task: Task, lines: pl.DataFrame) -> list[Interval]:
    """Intervals of the caption lines that contain at least half of a step's words, without stop words."""
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


def with_second_captions(data: EvaluationSet) -> EvaluationSet:
    """Of the two captions of each clip only the second one, the description of the scene."""
    one_each = np.arange(len(data.ids))
    return EvaluationSet(data.name, data.split, data.ids, data.streams, data.captions[1::2], one_each)


def _task(source: VideoSource, task_id: str) -> Task:
    steps = tuple(step.step_text for step in task_steps(source, task_id))
    return Task(task_id, f"synthetic task {task_id}", f"synthetic://articles/{task_id}", steps)

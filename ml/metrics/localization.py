"""Recall of the steps of a task in videos (CrossTask section 5; HowTo100M section 5.1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StepHits:
    """Number of steps that a video of a task shows, ``present``, and of those that were ``found``."""

    task: str
    found: int
    present: int


def step_hits(task: str, predicted: NDArray[np.int64], truth: NDArray[np.bool_]) -> StepHits:
    """A step is found if its predicted frame is in one of its annotated intervals.

    Args:
        predicted: ``frame[steps]``.
        truth: ``[frames, steps]``, whether the frame shows the step.
    """
    hits = truth[predicted, np.arange(len(predicted))]
    return StepHits(task, int(hits.sum()), int(truth.any(0).sum()))


def recall_of_tasks(hits: Iterable[StepHits]) -> dict[str, dict[str, float]]:
    """Both recalls of each task, and its number of videos; videos without an annotated step are not counted.

    ``recall_pooled`` is the sum of found steps over that of present steps, as in CrossTask's code;
    ``recall_per_video`` is the mean over the videos, as in later evaluations.
    """
    of_task: dict[str, list[StepHits]] = defaultdict(list)
    for each in hits:
        if each.present:
            of_task[each.task].append(each)
    return {
        task: {
            "recall_pooled": sum(each.found for each in videos) / sum(each.present for each in videos),
            "recall_per_video": float(np.mean([each.found / each.present for each in videos])),
            "videos": float(len(videos)),
        }
        for task, videos in sorted(of_task.items())
    }


def step_recall(hits: Iterable[StepHits]) -> dict[str, float]:
    """Means over the tasks of both recalls, and ``queries``, the number of videos.

    Raises:
        ValueError: no video has an annotated step.
    """
    tasks = recall_of_tasks(hits).values()
    if not tasks:
        raise ValueError("no video with an annotated step: nothing to score")
    return {
        **{name: float(np.mean([task[name] for task in tasks])) for name in ("recall_pooled", "recall_per_video")},
        "queries": sum(task["videos"] for task in tasks),
    }

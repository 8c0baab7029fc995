"""Moments in videos: ranking by a model's probabilities, suppression of overlaps, and hit rates (TVR, section 4).

VCMR finds a moment among all videos, SVMR within the right video, VR only the video. Rates are shares of 1 over all
queries: a query without an answer is a miss.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional

Task = Literal["VCMR", "SVMR", "VR"]
TASKS: tuple[Task, ...] = ("VCMR", "SVMR", "VR")
RECALLS = (1, 5, 10, 100)
IOU_THRESHOLDS = (0.5, 0.7)
ANNOTATORS_OF_DIDEMO = 4
"""From this number of annotations, an answer must agree with two of them (DiDeMo's rule)."""


class Moment(NamedTuple):
    """A found moment, in seconds; ``video`` is the number of the video."""

    video: int
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Truth:
    """The moments of a description: ``intervals`` in seconds, one per annotator; ``kind`` is TVR's v, t or vt."""

    video: int
    intervals: tuple[tuple[float, float], ...]
    kind: str | None = None


@dataclass(frozen=True)
class Search:
    """Parameters of the search for moments; the defaults are those of TVR.

    A moment from frame ``first`` to ``last`` is allowed if ``shortest <= last - first < longest``. ``max_overlap`` is
    the IoU above which the worse of two moments of a video is removed; None keeps all.
    """

    interval_s: float = 1.5
    shortest: int = 2
    longest: int = 16
    alpha: float = 20.0
    videos: int = 100
    before_suppression: int = 200
    keep: int = 100
    max_overlap: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.shortest < self.longest:
            raise ValueError(f"shortest={self.shortest}, longest={self.longest}: must be 0 <= shortest < longest")
        if self.interval_s <= 0:
            raise ValueError(f"interval_s={self.interval_s}: must be above 0")


def best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` greatest scores of each row and their positions, the greatest first, of equals the first.

    Args:
        scores: ``[rows, n]``, on any device; count: at most n are returned.
    """
    count = min(count, scores.shape[1])
    least = scores.topk(count).values[:, -1:]
    greater, equal = scores > least, scores == least
    chosen = greater | (equal & (equal.cumsum(1) <= count - greater.sum(1, keepdim=True)))
    positions = chosen.nonzero()[:, 1].view(len(scores), count)
    values, order = scores.gather(1, positions).sort(dim=1, descending=True, stable=True)
    return values, positions.gather(1, order)


def moments_of_videos(
    starts: Tensor, ends: Tensor, videos: Tensor, scores: Tensor, search: Search
) -> list[list[Moment]]:
    """The best moments of each query: ``p_start * p_end * exp(alpha * score)``, times ``[first*tau, (last+1)*tau]``.

    Args:
        starts: probability that the moment begins at a frame, ``[queries, videos, frames]``; 0 in the padding.
        ends: probability that its last frame is this one, of the same shape.
        videos: number of each row's video, ``[queries, videos]``.
        scores: score of each row's video, ``[queries, videos]``.

    Returns:
        For each query at most ``search.keep`` moments, best first, without those of probability 0.
    """
    queries, _, frames = starts.shape
    longest = min(search.longest, frames) - 1
    lengths = longest + 1 - search.shortest
    if lengths < 1:
        return [[] for _ in range(queries)]
    # Only the allowed band of (first, last) is computed: [.., first, length] instead of [.., frames, frames].
    band = functional.pad(ends, (0, longest)).unfold(2, longest + 1, 1)[..., :frames, search.shortest :]
    weights = starts * (search.alpha * scores).exp()[..., None]
    values, places = best((weights[..., None] * band).flatten(1), search.before_suppression)
    row, place = places // (frames * lengths), places % (frames * lengths)
    first = place // lengths
    last = first + search.shortest + place % lengths
    found = (values, videos.gather(1, row), first, last)
    return [_suppressed(query, search) for query in zip(*(each.tolist() for each in found), strict=True)]


def _suppressed(columns: tuple[list[float], list[int], list[int], list[int]], search: Search) -> list[Moment]:
    step = search.interval_s
    moments = [
        Moment(video, first * step, (last + 1) * step, value)
        for value, video, first, last in zip(*columns, strict=True)
        if value > 0
    ]
    return suppress(moments, search.max_overlap)[: search.keep]


def suppress(moments: Sequence[Moment], max_overlap: float | None) -> list[Moment]:
    """The moments without those that overlap a better one of the same video by an IoU above ``max_overlap``."""
    if max_overlap is None:
        return list(moments)
    kept: list[Moment] = []
    of_video: dict[int, list[Moment]] = defaultdict(list)
    for moment in sorted(moments, key=lambda each: -each.score):
        better = of_video[moment.video]
        if all(iou(moment[1:3], other[1:3]) <= max_overlap for other in better):
            better.append(moment)
            kept.append(moment)
    return kept


def iou(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Intersection of two intervals over the length from the first start to the last end; 0 if that is empty."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    span = max(one[1], other[1]) - min(one[0], other[0])
    return max(0.0, shared) / span if span > 0 else 0.0


def right(moment: Moment, truth: Truth, threshold: float) -> bool:
    """Whether a moment is in the right video and overlaps enough annotations: two of DiDeMo's four, else one."""
    needed = 2 if len(truth.intervals) >= ANNOTATORS_OF_DIDEMO else 1
    enough = sum(iou(moment[1:3], interval) >= threshold for interval in truth.intervals)
    return moment.video == truth.video and enough >= needed


def moment_metrics(
    found: Mapping[Task, Mapping[int, Sequence[Moment]]],
    truths: Mapping[int, Truth],
    thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> dict[str, float]:
    """Hit rates over all descriptions of ``truths``, by the order of each answer's moments.

    Args:
        found: per task the moments found for each description's id, best first.
        truths: by description's id.

    Returns:
        ``VCMR_<iou>_R@<k>`` and ``SVMR_<iou>_R@<k>``, ``VR_R@<k>``, and the same with the suffix ``_<kind>`` for every
        kind of description, for the tasks in ``found``; ``queries``.

    Raises:
        ValueError: there is no description, or the answers are not those of the descriptions.
    """
    if not truths:
        raise ValueError("no description: a hit rate needs at least one")
    groups: dict[str, list[int]] = {"": list(truths)}
    for desc_id, truth in truths.items():
        if truth.kind is not None:
            groups.setdefault(f"_{truth.kind}", []).append(desc_id)
    measured: dict[str, float] = {}
    for task, answers in found.items():
        _same_descriptions(task, answers, truths)
        for name, threshold in [("VR", None)] if task == "VR" else [(f"{task}_{iou:g}", iou) for iou in thresholds]:
            firsts = {desc_id: _first_hit(answers[desc_id], truth, threshold) for desc_id, truth in truths.items()}
            for suffix, ids in groups.items():
                places = np.array([firsts[desc_id] for desc_id in ids])
                measured |= {f"{name}_R@{k}{suffix}": float((places < k).mean()) for k in RECALLS}
    return measured | {"queries": len(truths)}


def _same_descriptions(task: str, answers: Mapping[int, Any], truths: Mapping[int, Truth]) -> None:
    for ids, problem in (
        (truths.keys() - answers.keys(), "has no answer; write an empty list where nothing is found"),
        (answers.keys() - truths.keys(), "is answered and is no description of this evaluation"),
    ):
        if ids:
            raise ValueError(f"{task}: description {min(ids)} (and {len(ids) - 1} more) {problem}")


def _first_hit(moments: Sequence[Moment], truth: Truth, threshold: float | None) -> float:
    """Position from 0 of the first right moment, or of the right video without a threshold; else infinity."""
    for place, moment in enumerate(moments):
        if moment.video == truth.video if threshold is None else right(moment, truth, threshold):
            return place
    return np.inf


def write_predictions(
    path: Path,
    video_numbers: Mapping[str, int],
    descriptions: Mapping[int, str],
    found: Mapping[Task, Mapping[int, Sequence[Moment]]],
) -> None:
    """Write JSON for TVR's scorer; each moment is ``[video, start, end, score]``."""
    document: dict[str, Any] = {"video2idx": dict(video_numbers)}
    for task, answers in found.items():
        _same_descriptions(task, answers, {desc_id: Truth(0, ()) for desc_id in descriptions})
        document[task] = [
            {"desc_id": desc_id, "desc": desc, "predictions": [list(moment) for moment in answers[desc_id]]}
            for desc_id, desc in descriptions.items()
        ]
    path.write_text(json.dumps(document), encoding="utf-8")


def read_predictions(path: Path) -> tuple[dict[str, int], dict[Task, dict[int, list[Moment]]]]:
    """The videos' numbers and the moments of each task and description in such a file.

    Raises:
        ValueError: the file has another form; the message names the part.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    if "video2idx" not in document:
        raise ValueError(f"{path}: has no video2idx, so its video numbers mean nothing")
    found: dict[Task, dict[int, list[Moment]]] = {}
    for task in TASKS:
        if task not in document:
            continue
        try:
            found[task] = {
                int(row["desc_id"]): [_moment(each) for each in row["predictions"]] for row in document[task]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: {task} is no list of desc_id and predictions ({error!r})") from error
    return document["video2idx"], found


def _moment(values: Sequence[float]) -> Moment:
    """A moment from a row of the file; rows of VR may have other times, and the score is optional."""
    video, start_s, end_s, *score = values
    return Moment(int(video), float(start_s), float(end_s), float(score[0]) if score else 0.0)

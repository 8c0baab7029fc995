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
from numpy.typing import NDArray

Task = Literal["VCMR", "SVMR", "VR"]
TASKS: tuple[Task, ...] = ("VCMR", "SVMR", "VR")
RECALLS = (1, 5, 10, 100)
IOU_THRESHOLDS = (0.5, 0.7)
ANNOTATORS_OF_DIDEMO = 4
"""From this number of annotations, an answer must agree with two of them (DiDeMo's rule)."""

Floats = NDArray[np.floating]


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


def best(scores: Floats, count: int) -> NDArray[np.int64]:
    """Positions of the ``count`` greatest scores, the greatest first, of equals the first, without sorting the rest.

    Scores that are not finite are left out.
    """
    usable = np.flatnonzero(np.isfinite(scores))
    if len(usable) > count:
        values = scores[usable]
        least = np.partition(values, len(values) - count)[len(values) - count]
        usable = usable[values >= least]
    return usable[np.argsort(-scores[usable], kind="stable")[:count]]


def moments_of_videos(
    starts: Floats, ends: Floats, videos: Sequence[int] | NDArray[np.integer], scores: Floats, search: Search
) -> list[Moment]:
    """The best moments of a query: ``p_start * p_end * exp(alpha * score)``, times ``[first*tau, (last+1)*tau]``.

    Args:
        starts: probability that the moment begins at a frame, ``[videos, frames]``; 0 in the padding.
        ends: probability that its last frame is this one, ``[videos, frames]``.
        videos: number of each row's video.
        scores: score of each row's video, ``[videos]``.

    Returns:
        At most ``search.keep`` moments, best first, without those of probability 0.
    """
    frames = starts.shape[1]
    lengths = np.arange(search.shortest, min(search.longest, frames))
    if not len(lengths):
        return []
    # Only the allowed band of (first, last) is computed: [videos, first, length] instead of [videos, frames, frames].
    padded = np.pad(np.asarray(ends, np.float64), ((0, 0), (0, int(lengths[-1]))))
    band = np.lib.stride_tricks.sliding_window_view(padded, int(lengths[-1]) + 1, axis=1)[:, :frames, lengths]
    weights = np.asarray(starts, np.float64) * np.exp(search.alpha * np.asarray(scores, np.float64))[:, None]
    products = (weights[:, :, None] * band).ravel()
    places = best(np.where(products > 0, products, -np.inf), search.before_suppression)
    rows, firsts, columns = np.unravel_index(places, (len(starts), frames, len(lengths)))
    lasts, step = firsts + lengths[columns], search.interval_s
    found = [
        Moment(int(videos[row]), float(first * step), float((last + 1) * step), float(products[place]))
        for row, first, last, place in zip(rows, firsts, lasts, places, strict=True)
    ]
    return suppress(found, search.max_overlap)[: search.keep]


def nearest_videos(scores: Floats, search: Search) -> NDArray[np.int64]:
    """Numbers of the videos to search for moments: those with the best ``scores[videos]``."""
    return best(scores, search.videos)


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

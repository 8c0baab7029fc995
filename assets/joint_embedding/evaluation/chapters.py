"""Localisation of chapters by their titles with a text-video model, compared with random windows. Imports torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from assets.features.reader import FeatureReader
from assets.joint_embedding.evaluation.benchmarks import ByMethod
from assets.joint_embedding.pairs import video_streams
from assets.videos.chapters import Chapter
from ml.joint_embedding.text_video import TextVideoModel
from ml.metrics.moments import iou

PART, SPLIT = "chapters", "test"
CHANCE = "random window"
SHORTEST_S = 8.0
"""Seconds of the shortest windows; each further length is twice the one before."""
OVERLAPS = (0.3, 0.5, 0.7)
SECONDS = (5, 10)
MOST_OF_VIDEO = 0.9
"""A chapter that covers this share of its video localises nothing (VidChapters-7M leaves it out too)."""

Interval = tuple[float, float]


def windows(duration_s: float) -> NDArray[np.float64]:
    """The windows ``[windows, 2]`` of a video, in seconds: of each length, every half length from the start on."""
    found, length = list[NDArray[np.float64]](), SHORTEST_S
    while length <= duration_s or not found:
        starts = np.arange(0, max(duration_s - length, 0) + 1e-9, length / 2)
        found.append(np.stack([starts, np.minimum(starts + length, duration_s)], 1))
        length *= 2
    return np.concatenate(found)


def localised(
    model: TextVideoModel, features: FeatureReader, chapters: Mapping[str, Sequence[Chapter]]
) -> tuple[ByMethod, dict[str, int]]:
    """Metrics of the model and of random windows, and the number of videos and titles that are left out, by reason.

    A query is a title within its video; chapters of the same title are one query, for which either is right.
    ``R@1_IoU=m``: the best window overlaps the chapter by at least m. ``R@1_5s``: it starts within 5 s of it. The
    values of random windows are expectations, not draws.
    """
    hits: dict[str, list[dict[str, float]]] = {model.identity: [], CHANCE: []}
    left_out = {"no features": 0, "no known word": 0}
    for video_id, own in sorted(chapters.items()):
        streams = video_streams(features, video_id)
        if streams is None:
            left_out["no features"] += 1
            continue
        duration_s = min(len(stream.features) / stream.rate_hz for stream in streams)
        queries = _queries(own, duration_s)
        known = {title: truth for title, truth in queries.items() if model.known_words(title)}
        left_out["no known word"] += len(queries) - len(known)
        if not known:
            continue
        proposed = windows(duration_s)
        vectors, empty = model.encode_clips(streams, proposed[:, 0], proposed[:, 1])
        scores = np.where(empty, -np.inf, model.encode_text(list(known)) @ vectors.T)
        for best, truth in zip(scores.argmax(1), known.values(), strict=True):
            judged = [_judged((start, end), truth) for start, end in proposed.tolist()]
            hits[model.identity].append(judged[best])
            hits[CHANCE].append({name: float(np.mean([each[name] for each in judged])) for name in judged[0]})
    return {method: _means(found) for method, found in hits.items() if found}, left_out


def _queries(chapters: Iterable[Chapter], duration_s: float) -> dict[str, list[Interval]]:
    """The intervals of each title that localise something."""
    found: dict[str, list[Interval]] = defaultdict(list)
    for chapter in chapters:
        if chapter.title is None or chapter.start_s is None or chapter.end_s is None:
            continue
        if chapter.end_s - chapter.start_s < MOST_OF_VIDEO * duration_s and chapter.start_s < duration_s:
            found[chapter.title].append((chapter.start_s, chapter.end_s))
    return found


def _judged(window: Interval, truth: Sequence[Interval]) -> dict[str, float]:
    overlap = max(iou(window, each) for each in truth)
    shift = min(abs(window[0] - start) for start, _ in truth)
    return {
        **{f"R@1_IoU={threshold}": float(overlap >= threshold) for threshold in OVERLAPS},
        **{f"R@1_{seconds}s": float(shift <= seconds) for seconds in SECONDS},
    }


def _means(hits: Sequence[Mapping[str, float]]) -> dict[str, float]:
    means = {name: float(np.mean([each[name] for each in hits])) for name in hits[0]}
    return {**means, "queries": float(len(hits))}

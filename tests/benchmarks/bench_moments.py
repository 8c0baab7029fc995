"""Moment search among 10,000 videos, compared with the published code, which scores and sorts every pair of frames."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from ml.hero.downstream.moments import MomentIndex
from ml.hero.moment_head import MomentHead
from ml.memory_counters import resident_mib
from ml.metrics.moments import Moment, Search, suppress
from tests.benchmarks.results import Table

VIDEOS, FRAMES, HIDDEN, QUERIES = 10_000, (40, 60), 768, 25
SEARCH = Search(max_overlap=0.5)


def index() -> MomentIndex:
    """Random embeddings with the lengths of TVR (60 to 90 s, a frame every 1.5 s) and the width of HERO."""
    torch.manual_seed(0)
    counts = torch.randint(*FRAMES, (VIDEOS,)).tolist()
    return MomentIndex(MomentHead(HIDDEN), torch.randn(sum(counts), HIDDEN).split(counts), SEARCH)


def sorted_whole(starts: np.ndarray, ends: np.ndarray, videos: np.ndarray, scores: np.ndarray) -> list[Moment]:
    """All pairs of frames of all videos in one array, fully sorted."""
    frames = starts.shape[1]
    pairs = np.einsum("vs,ve->vse", starts, ends) * np.exp(SEARCH.alpha * scores)[:, None, None]
    pairs *= np.triu(np.ones((frames, frames)), SEARCH.shortest) - np.triu(np.ones((frames, frames)), SEARCH.longest)
    flat = pairs.ravel()
    rows, firsts, lasts = np.unravel_index(np.argsort(-flat, kind="stable")[: SEARCH.before_suppression], pairs.shape)
    found = [
        Moment(int(videos[v]), s * SEARCH.interval_s, (e + 1) * SEARCH.interval_s, float(pairs[v, s, e]))
        for v, s, e in zip(rows, firsts, lasts, strict=True)
    ]
    return suppress(found, SEARCH.max_overlap)[: SEARCH.keep]


def timed(work: Callable[[torch.Tensor], list]) -> tuple[list, np.ndarray]:
    """Results of all queries, and the seconds of each."""
    answers, taken = [], []
    for query in torch.randn(QUERIES, HIDDEN, generator=torch.Generator().manual_seed(1)):
        started = time.perf_counter()
        answers += work(query[None])
        taken.append(time.perf_counter() - started)
    return answers, np.array(taken)


def test_moments_among_ten_thousand_videos(monkeypatch: pytest.MonkeyPatch, table: Callable[..., Table]) -> None:
    searched = index()
    _, scoring = timed(lambda query: [searched.scores(query)])
    found, whole = timed(searched.find)
    queries = torch.randn(QUERIES, HIDDEN)
    started = time.perf_counter()
    searched.find(queries)
    together = (time.perf_counter() - started) / QUERIES
    monkeypatch.setattr(
        "ml.hero.downstream.moments.moments_of_videos",
        lambda *given: [sorted_whole(*(each[0].numpy() for each in given[:4]))],
    )
    expected, published = timed(searched.find)
    assert [[moment[:3] for moment in each] for each in found] == [[moment[:3] for moment in each] for each in expected]
    peak = resident_mib("VmHWM") / 1024
    title = (
        f"Moment search: {VIDEOS:,} videos, {len(searched.lengths):,} frames of {HIDDEN}; peak memory {peak:.1f} GiB"
    )
    measured = table(title, "step", "p50 ms", "p90 ms", "published p50 ms", "published relative to ours")
    for name, taken, other in (
        ("scores of all videos", scoring, scoring),
        ("moments of the best 100", whole - scoring, published - scoring),
        ("one query", whole, published),
    ):
        p50, theirs = 1e3 * np.median(taken), 1e3 * np.median(other)
        measured.add(name, p50, 1e3 * np.quantile(taken, 0.9), theirs, theirs / p50)
    measured.add(f"one of {QUERIES} queries together", 1e3 * together, None, None, None)

"""A survey: which videos of a random sample can still be watched."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from assets.availability.probes import UNANSWERED, Prober, state_of
from assets.lake import load_tables

CONTINUED_FOR = timedelta(days=7)
"""Age up to which a survey with unanswered probes is continued instead of a new one begun."""


def draw(video_ids: Iterable[str], sample: int, seed: int, survey: int) -> list[str]:
    """A simple random sample without replacement, sorted by id; all videos if ``sample`` is 0 or there are no more."""
    population = sorted(set(video_ids))
    if not sample or sample >= len(population):
        return population
    return sorted(random.Random(f"{seed}/{survey}").sample(population, sample))


def next_survey(earlier: pl.DataFrame, video_ids: Iterable[str], sample: int, seed: int) -> tuple[int, list[str]]:
    """The number of the survey to make now, and its videos.

    The last one is continued while some of its probes are unanswered, unless it is older than a week.

    Args:
        earlier: rows of ``availability``; may be empty.
    """
    number = int(earlier["survey"].max() or 0)  # type: ignore[arg-type]
    last = earlier.filter(pl.col("survey") == number)
    is_open = UNANSWERED in last["state"]
    if is_open and last["checked_at"].max() > datetime.now(UTC) - CONTINUED_FOR:  # type: ignore[operator]
        return number, last["video_id"].to_list()
    return number + 1, draw(video_ids, sample, seed, number + 1)


def probe_all(
    prober: Prober, survey: int, video_ids: Sequence[str], progress: Callable[[], object] | None = None
) -> pl.DataFrame:
    """The rows of ``availability`` of one survey; ``progress`` is called after each video."""
    rows = []
    for video_id in video_ids:
        outcome = prober.probe(str(survey), video_id)
        checked_at = outcome.fetched_at or datetime.now(UTC)
        state = state_of(outcome)
        rows.append((survey, video_id, checked_at, state, outcome.next_try_at, outcome.error))
        if progress:
            progress()
    return load_tables()["availability"].frame(rows)

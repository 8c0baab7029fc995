"""Estimates from surveys: shares with intervals, and the half-life of a list of videos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from assets.availability.probes import AVAILABLE, UNANSWERED
from assets.lake import load_tables

CONFIDENCE = 0.95
YEAR_S = 365.25 * 24 * 3600


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def share(successes: int, drawn: int, population: int) -> Interval | None:
    """The share in a population of which ``drawn`` were sampled without replacement; None if none were.

    Wilson's score interval (1927), with the sample size that has the same variance after the correction for a finite
    population. A whole population has an interval of no width.
    """
    if drawn == 0:
        return None
    value = successes / drawn
    if drawn >= population:
        return Interval(value, value, value)
    size = drawn * (population - 1) / (population - drawn)
    z2 = float(norm.ppf((1 + CONFIDENCE) / 2)) ** 2
    middle = (value + z2 / (2 * size)) / (1 + z2 / size)
    half = math.sqrt(z2 * (value * (1 - value) / size + z2 / (4 * size**2))) / (1 + z2 / size)
    # Rounding may not move an end past the estimate.
    return Interval(value, min(value, middle - half), max(value, middle + half))


def half_life(years: ArrayLike, alive: ArrayLike) -> Interval | None:
    """Years until half of the videos are gone, if each disappears at the same constant rate.

    The rate has the highest likelihood of finding ``alive[i]`` at ``years[i]`` after it was last known to exist; the
    interval holds the rates that a likelihood ratio test does not reject. Infinite if none is gone. None if all are
    gone, or no video was probed later than it was known.
    """
    times, found = np.asarray(years, float), np.asarray(alive, bool)
    times, found = times[times > 0], found[times > 0]
    if not len(times) or not found.any():
        return None
    survived, gone = times[found].sum(), times[~found]

    def log_likelihood(rate: float) -> float:
        return float(np.log(-np.expm1(-rate * gone)).sum() - rate * survived)

    def slope(rate: float) -> float:
        return float((gone / np.expm1(rate * gone)).sum() - survived)

    threshold = float(chi2.ppf(CONFIDENCE, 1)) / 2
    if not len(gone):
        # The likelihood falls from 1 at rate 0.
        return Interval(math.inf, math.log(2) * survived / threshold, math.inf)
    # The slope falls from infinity to a negative number; exp(700) is the largest that a float holds.
    least, most = 1e-12 / times.max(), 700 / times.max()
    best = brentq(slope, least, most)

    def above(rate: float) -> float:
        return log_likelihood(rate) - log_likelihood(best) + threshold

    return Interval(*(math.log(2) / rate for rate in (best, brentq(above, best, most), brentq(above, least, best))))


@dataclass(frozen=True)
class _Group:
    """Probes whose estimates make one row."""

    grouping: str
    item: str
    probes: pl.DataFrame
    population: int


def link_rot(probes: pl.DataFrame, videos: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``link_rot``: per survey, for all videos, by category, by age and by state.

    Args:
        probes: rows of ``availability``.
        videos: video_id, category_1, upload_date, known_at (when it is known to have existed); all that samples were
            drawn from.
    """
    joined = probes.join(videos, on="video_id", how="inner")
    joined = joined.with_columns(pl.col("checked_at", "known_at").dt.convert_time_zone("UTC")).with_columns(
        age=((pl.col("checked_at").dt.date() - pl.col("upload_date")).dt.total_days() / 365.25).floor(),
        years=(pl.col("checked_at") - pl.col("known_at")).dt.total_seconds() / YEAR_S,
    )
    rows = []
    for (survey,), made in sorted(joined.partition_by("survey", as_dict=True).items()):
        rows += [_row(survey, group) for group in _groups(made, videos)]
        answered = made.filter(pl.col("state") != UNANSWERED)
        for state, count in sorted(answered["state"].value_counts().iter_rows()):
            interval = share(count, answered.height, videos.height)
            rows.append((survey, "state", state, count, 0, count, *_cells(interval), None, None, None))
    return load_tables()["link_rot"].frame(rows)


def _groups(made: pl.DataFrame, videos: pl.DataFrame) -> list[_Group]:
    groups = [_Group("all", "all videos", made, videos.height)]
    sizes = dict(videos["category_1"].value_counts().iter_rows())
    for (category,), part in sorted(made.partition_by("category_1", as_dict=True).items()):
        groups.append(_Group("category", category, part, sizes[category]))
    for (age,), part in sorted(
        made.partition_by("age", as_dict=True).items(), key=lambda item: (item[0][0] is None, item)
    ):
        name = "unknown" if age is None else f"{age:.0f} to {age + 1:.0f} years"
        # How many videos of that age there are changes daily; a sample without correction has a wider interval.
        groups.append(_Group("age", name, part, max(videos.height, part.height + 1)))
    return groups


def _row(survey: int, group: _Group) -> tuple:
    answered = group.probes.filter(pl.col("state") != UNANSWERED)
    alive = answered["state"] == AVAILABLE
    known = answered["years"].is_not_null()
    life = half_life(answered.filter(known)["years"], alive.filter(known))
    return (
        survey,
        group.grouping,
        group.item,
        answered.height,
        group.probes.height - answered.height,
        int(alive.sum()),
        *_cells(share(int(alive.sum()), answered.height, group.population)),
        *_cells(life),
    )


def _cells(interval: Interval | None) -> tuple[float | None, ...]:
    """An interval as cells of a row; what is unknown or infinite is NULL."""
    return tuple(value if math.isfinite(value) else None for value in interval) if interval else (None, None, None)

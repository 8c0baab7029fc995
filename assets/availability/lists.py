"""Surveys of a published list of videos that no lake holds: how much of it is left?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

from assets.availability.estimates import link_rot
from assets.availability.options import AvailabilityOptions
from assets.availability.probes import UNANSWERED, Prober
from assets.availability.survey import next_survey, probe_all
from assets.lake import load_tables
from assets.videos.id_lists import read_id_list
from ml.files import whole_file
from ml.reading import csv_rows

PROBES, ESTIMATES = "availability.csv", "link_rot.csv"
"""Files of the folder: the rows of both tables."""


def listed_videos(path: Path, since: date | None) -> pl.DataFrame:
    """The videos of a list: video_id, category_1 (of a CSV file with that column), upload_date, known_at.

    Raises:
        IdListError: the list cannot be used.
    """
    found = pl.DataFrame({"video_id": sorted(read_id_list(path))}).join(_categories(path), on="video_id", how="left")
    return found.select(
        "video_id",
        pl.col("category_1").fill_null("unknown"),
        pl.lit(None, pl.Date).alias("upload_date"),
        pl.lit(since, pl.Date).cast(pl.Datetime("us", "UTC")).alias("known_at"),
    )


def _categories(path: Path) -> pl.DataFrame:
    """The first category of each video, of a CSV file that has them."""
    names = ("video_id", "category_1")
    rows = csv_rows(path) if path.suffix.lower() == ".csv" else iter(())
    header = next(rows, (1, []))[1]
    found: dict[str, str] = {}
    if set(names) <= set(header):
        places = [header.index(name) for name in names]
        for _, row in rows:
            if len(row) == len(header):
                found.setdefault(row[places[0]], row[places[1]])
    return pl.DataFrame(list(found.items()), dict.fromkeys(names, pl.String), orient="row")


def survey_list(
    path: Path,
    folder: Path,
    prober: Prober,
    options: AvailabilityOptions,
    progress: Callable[[int], Callable[[], object]],
) -> pl.DataFrame:
    """Make a survey of a list, or continue the last one, and write both tables as CSV.

    Args:
        folder: holds the files of earlier surveys of the list, if there were any.
        options: without a day on which all videos of the list could be watched, there is no half-life.
        progress: from the number of videos to what is called after each.

    Returns:
        The rows of ``link_rot``.
    """
    videos, table = listed_videos(path, options.since), load_tables()["availability"]
    earlier = table.frame([])
    if (folder / PROBES).exists():
        written = pl.read_csv(folder / PROBES, infer_schema=False)
        times = pl.col("checked_at", "next_try_at").str.to_datetime(time_zone="UTC")
        earlier = written.with_columns(times).cast(table.schema)
    survey, drawn = next_survey(earlier, videos["video_id"], options.sample, options.seed)
    made = probe_all(prober, survey, drawn, progress(len(drawn)))
    probes = pl.concat([earlier.filter(pl.col("survey") != survey), made])
    rot = link_rot(probes, videos)
    for name, rows in ((PROBES, probes), (ESTIMATES, rot)):
        with whole_file(folder / name) as new:
            rows.write_csv(new)
    return rot


def summary(rot: pl.DataFrame) -> list[str]:
    """The newest survey in lines of text."""
    newest = rot.filter(pl.col("survey") == rot["survey"].max())
    lines = []
    for row in newest.filter(pl.col("grouping").is_in(["all", "state", "category"])).iter_rows(named=True):
        shares = f"{row['share']:.3f} ({row['share_low']:.3f} to {row['share_high']:.3f})" if row["answered"] else "–"
        counts = f"{row['available']:,} of {row['answered']:,}"
        lines.append(f"{row['grouping']:>9}  {shares:<24} {counts:>20}  {row['item']}")
    overall = newest.row(by_predicate=pl.col("grouping") == "all", named=True)
    if overall["half_life_years"] is not None:
        high = f"{overall['half_life_high']:.1f}" if overall["half_life_high"] is not None else "endless"
        lines.append(f"half-life {overall['half_life_years']:.1f} years ({overall['half_life_low']:.1f} to {high})")
    if overall["unanswered"]:
        lines.append(f"{overall['unanswered']:,} {UNANSWERED}; the same command requests them again")
    return lines

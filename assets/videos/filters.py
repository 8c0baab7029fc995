"""The video filters of HowTo100M section 3.1, each a verdict with its reason.

Pure functions from a frame to the same frame with ``kept`` and ``reason``. Unknown is not zero: a video whose views or
length are unknown passes that limit. A video of unknown licence passes only where every licence does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import polars as pl
from pydantic import BeforeValidator, Field

from assets.lake import load_tables
from assets.options import Options, listed
from assets.sources.licenses import license_code


def _license_codes(value: object) -> object:
    """The codes of a list of licences, so that any usual name of a licence will do."""
    names = listed(value)
    return tuple(license_code(name) for name in names) if isinstance(names, tuple) else names


@dataclass(frozen=True)
class SearchLimits(Options):
    """What a search depends on. The defaults of all thresholds are the paper's."""

    group: ClassVar = "Videos"

    top_results: Annotated[int, Field(ge=1, description="search results per task that are kept")] = 200


@dataclass(frozen=True)
class CandidateLimits(SearchLimits):
    """Thresholds of the filters that need no captions."""

    min_views: Annotated[int, Field(ge=0, description="views below which a video is dropped")] = 100
    max_duration_s: Annotated[float, Field(gt=0, description="seconds above which a video is dropped")] = 2000


@dataclass(frozen=True)
class Limits(CandidateLimits):
    """Thresholds of all filters of videos.

    An asset uses the class with the thresholds that it needs, so that a change of another one makes nothing again: a
    search of all tasks takes days of YouTube's quota.
    """

    min_words: Annotated[int, Field(ge=0, description="caption words below which a video is dropped")] = 100
    licenses: Annotated[
        tuple[str, ...],
        BeforeValidator(_license_codes),
        Field(
            description="licences that the data set may have, with commas, e.g. cc-by,cc0; a video of unknown licence"
            " is dropped; not set: any"
        ),
    ] = ()


def candidate_verdicts(
    results: pl.DataFrame, tasks: pl.DataFrame, evaluation: pl.DataFrame, limits: CandidateLimits
) -> pl.DataFrame:
    """Filters that need no captions: rank, views, length, benchmarks, then duplicates by id.

    Of a video found for several tasks the best rank stays, of equal ranks that of the first task id.

    Args:
        results: rows of ``search_results``; tasks: rows of ``tasks``; evaluation: rows of ``evaluation_videos``.

    Returns:
        The columns of ``candidate_videos``.
    """
    rows = results.join(tasks.select("task_id", "category_2"), on="task_id", how="left")
    rows = rows.join(evaluation, on="video_id", how="left")
    limit_reason = (
        pl.when(pl.col("benchmark").is_not_null())
        .then(pl.format("evaluates {}", "benchmark"))
        .when(pl.col("rank") > limits.top_results)
        .then(pl.lit(f"rank above {limits.top_results}"))
        .otherwise(_out_of_bounds(limits))
    )
    rows = rows.unique(["video_id", "task_id"], keep="first", maintain_order=True).with_columns(reason=limit_reason)
    best_first = rows.sort(pl.col("reason").is_not_null(), "rank", "task_id")
    is_first = pl.int_range(pl.len()).over("video_id") == 0
    duplicate = pl.lit("found at a better rank for another task")
    verdicts = best_first.with_columns(
        reason=pl.when(pl.col("reason").is_null() & ~is_first).then(duplicate).otherwise("reason")
    )
    return verdicts.select(
        "video_id",
        "task_id",
        "rank",
        "category_1",
        "category_2",
        "title",
        "channel",
        "duration_s",
        "view_count",
        "source",
        pl.col("reason").is_null().alias("kept"),
        "reason",
    )


def video_verdicts(
    candidates: pl.DataFrame,
    fetches: pl.DataFrame,
    metadata: pl.DataFrame,
    duplicates: pl.DataFrame,
    limits: Limits,
) -> pl.DataFrame:
    """Filters on captions, for the candidates that were kept (columns of ``videos``).

    Views and length that search results lack are taken from the metadata, and compared with the same limits.

    Args:
        candidates: rows of ``candidate_videos``; fetches: of ``caption_fetches``; metadata: of ``video_metadata``;
            duplicates: of ``video_duplicates``.
    """
    rows = candidates.filter("kept").drop("kept", "reason")
    outcome = fetches.select("video_id", "status", "word_count", "language", pl.col("source").alias("caption_source"))
    known = metadata.select(
        "video_id",
        pl.col("duration_s", "view_count").name.suffix("_known"),
        "channel_id",
        "license",
        "upload_date",
        "availability",
    )
    reason = (
        pl.when(pl.col("status").is_null())
        .then(pl.lit("captions not fetched yet"))
        .when(pl.col("status") != "ok")
        .then(pl.format("captions: {}", "status"))
        .when(pl.col("word_count") < limits.min_words)
        .then(pl.lit(f"fewer than {limits.min_words} words"))
        .when(_out_of_bounds(limits).is_not_null())
        .then(_out_of_bounds(limits))
        .when(_without_licence(limits).is_not_null())
        .then(_without_licence(limits))
        .when(pl.col("duplicate_of").is_not_null())
        .then(pl.lit("says what a better-ranked video says"))
    )
    return (
        rows.join(outcome, on="video_id", how="left")
        .join(known, on="video_id", how="left")
        .join(duplicates.select("video_id", "duplicate_of"), on="video_id", how="left")
        .with_columns(pl.coalesce(name, f"{name}_known").alias(name) for name in ("duration_s", "view_count"))
        .with_columns(reason=reason, word_count=pl.col("word_count").fill_null(0))
        .with_columns(kept=pl.col("reason").is_null())
        .select(*load_tables()["videos"].column_types)
    )


def _out_of_bounds(limits: CandidateLimits) -> pl.Expr:
    return (
        pl.when(pl.col("view_count") < limits.min_views)
        .then(pl.lit(f"fewer than {limits.min_views} views"))
        .when(pl.col("duration_s") > limits.max_duration_s)
        .then(pl.lit(f"longer than {limits.max_duration_s:g} s"))
    )


def _without_licence(limits: Limits) -> pl.Expr:
    """Why a video's licence keeps it out. Here, unlike elsewhere, what is unknown does not pass."""
    if not limits.licenses:
        return pl.lit(None, pl.String)
    return (
        pl.when(pl.col("license").is_null())
        .then(pl.lit("its licence is unknown"))
        .when(~pl.col("license").is_in(list(limits.licenses)))
        .then(pl.format("licence: {}", "license"))
    )

"""Assets that find the data set's videos."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.outcomes import stop_if_blocked
from assets.progress import CountedProgress
from assets.sharding import Sharding
from assets.sources.followups.options import FollowUpOptions
from assets.sources.followups.shards import LINES, ReleaseShards
from assets.sources.protocol import VideoSource
from assets.videos.chapters import find_chapters
from assets.videos.duplicates import DuplicateOptions, caption_texts, near_duplicates
from assets.videos.filters import CandidateLimits, Limits, SearchLimits, candidate_verdicts, video_verdicts
from assets.videos.id_lists import EvaluationLists, leakage
from assets.videos.metadata import fetch_metadata
from assets.videos.search import search_tasks


@dg.multi_asset(
    outs={
        "search_results": dg.AssetOut(
            description='The first results for "how to <task>", for the tasks of one top category.',
            code_version="3",
            kinds={"polars"},
        ),
        "task_searches": dg.AssetOut(
            description="The outcome of searching videos for each kept task.",
            code_version="1",
            kinds={"polars"},
        ),
    },
    deps=["video_source"],
    pool="network",
)
def searches(
    context: dg.AssetExecutionContext,
    tasks: pl.LazyFrame,
    source: dg.ResourceParam[VideoSource],
    search_limits: dg.ResourceParam[SearchLimits],
) -> Iterator[dg.Output]:
    """Search videos for the tasks of one top category; stored answers are not requested again."""
    of_category = tasks.filter(pl.col("category_1") == context.partition_key).collect()
    progress = CountedProgress(context.log.info, int(of_category["kept"].sum()), "tasks")
    results, outcomes = search_tasks(source, of_category, search_limits.top_results, progress.advance)
    yield dg.Output(results, "search_results")
    yield dg.Output(outcomes, "task_searches")
    stop_if_blocked(outcomes)


@dg.asset(code_version="1", kinds={"polars"})
def evaluation_videos(evaluation_lists: dg.ResourceParam[EvaluationLists]) -> pl.DataFrame:
    """Videos of benchmarks, from the lists in HOWTO_EVALUATION_LISTS: the data set must not hold them."""
    return leakage(evaluation_lists.paths)


@dg.asset(code_version="2", kinds={"polars"})
def candidate_videos(
    search_results: pl.DataFrame,
    tasks: pl.DataFrame,
    evaluation_videos: pl.DataFrame,
    candidate_limits: dg.ResourceParam[CandidateLimits],
) -> pl.DataFrame:
    """Search results after the filters on rank, views, length and benchmarks; of several tasks, the best rank stays."""
    return candidate_verdicts(search_results, tasks, evaluation_videos, candidate_limits)


@dg.asset(code_version="3", kinds={"polars"}, deps=["video_source", "caption_fetches"], pool="network")
def video_metadata(
    context: dg.AssetExecutionContext,
    candidate_videos: pl.LazyFrame,
    source: dg.ResourceParam[VideoSource],
    sharding: dg.ResourceParam[Sharding],
) -> Iterator[dg.Output]:
    """Metadata that search results lack, of each kept candidate of one shard."""
    shard = context.partition_key
    kept = candidate_videos.filter("kept").select("video_id").collect()["video_id"]
    members = sharding.members(kept, shard)
    found = fetch_metadata(source, CountedProgress(context.log.info, len(members), "videos").over(members), shard)
    yield dg.Output(found)
    stop_if_blocked(found)


@dg.asset(code_version="1", kinds={"polars"}, deps=["video_source"])
def chapters(
    context: dg.AssetExecutionContext,
    candidate_videos: pl.LazyFrame,
    video_metadata: pl.DataFrame,
    source: dg.ResourceParam[VideoSource],
    followup_options: dg.ResourceParam[FollowUpOptions],
    release_cache: dg.ResourceParam[Path],
    sharding: dg.ResourceParam[Sharding],
) -> pl.DataFrame:
    """Chapters that creators give their videos, in the player's list or in the description, or VidChapters-7M."""
    shard, name = context.partition_key, "vidchapters"
    length = candidate_videos.filter("kept").select("video_id", pl.col("duration_s").alias("listed_s")).collect()
    about = video_metadata.filter(pl.col("status") == "ok").join(length, on="video_id", maintain_order="left")
    about = about.with_columns(duration_s=pl.coalesce("listed_s", "duration_s"))
    released = LINES.to_frame()
    if name in followup_options.paths:
        released = ReleaseShards(name, followup_options.paths[name], release_cache, sharding).lines(shard)
    found = find_chapters(source, about, released, shard)
    context.add_output_metadata({"chapters by source": dict(found.filter("kept")["source"].value_counts().iter_rows())})
    return found


@dg.asset(code_version="1", kinds={"polars"}, deps=["captions"])
def video_duplicates(
    candidate_videos: pl.DataFrame, lake: dg.ResourceParam[Lake], duplicate_options: dg.ResourceParam[DuplicateOptions]
) -> pl.DataFrame:
    """Candidates whose captions repeat those of a better-ranked one: re-uploads under another id."""
    ranked = candidate_videos.filter("kept").select("video_id", "rank")
    return near_duplicates(ranked, caption_texts(lake), duplicate_options)


@dg.asset(code_version="3", kinds={"polars"})
def videos(
    candidate_videos: pl.DataFrame,
    caption_fetches: pl.DataFrame,
    video_metadata: pl.DataFrame,
    video_duplicates: pl.DataFrame,
    limits: dg.ResourceParam[Limits],
) -> pl.DataFrame:
    """The data set's videos: kept candidates with enough caption words and a licence that is allowed."""
    return video_verdicts(candidate_videos, caption_fetches, video_metadata, video_duplicates, limits)

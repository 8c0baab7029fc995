"""Assets that find the data set's videos."""

import dagster as dg
import polars as pl

from assets.sources.assets import video_source
from assets.sources.protocol import VideoSource
from assets.videos.filters import Limits, candidate_verdicts, video_verdicts
from assets.videos.search import search_tasks


@dg.asset(group_name="videos", code_version="1", kinds={"polars"}, deps=[video_source], pool="network")
def search_results(
    context: dg.AssetExecutionContext,
    tasks: pl.LazyFrame,
    source: dg.ResourceParam[VideoSource],
    limits: dg.ResourceParam[Limits],
) -> pl.DataFrame:
    """The first results for "how to <task>", for the tasks of one top category."""
    of_category = tasks.filter(pl.col("category_1") == context.partition_key).collect()
    return search_tasks(source, of_category, limits.top_results)


@dg.asset(group_name="videos", code_version="1", kinds={"polars"})
def candidate_videos(
    search_results: pl.DataFrame, tasks: pl.DataFrame, limits: dg.ResourceParam[Limits]
) -> pl.DataFrame:
    """Search results after the filters on rank, views and length; a video of several tasks stays with its best rank."""
    return candidate_verdicts(search_results, tasks, limits)


@dg.asset(group_name="videos", code_version="1", kinds={"polars"})
def videos(
    candidate_videos: pl.DataFrame, caption_fetches: pl.DataFrame, limits: dg.ResourceParam[Limits]
) -> pl.DataFrame:
    """The data set's videos: kept candidates with enough caption words; the others stay with their reason."""
    return video_verdicts(candidate_videos, caption_fetches, limits)

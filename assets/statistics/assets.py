"""The statistics of the data set, as a table and as plots."""

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.statistics.queries import compute_all


@dg.asset(
    group_name="statistics",
    code_version="1",
    kinds={"sql", "duckdb"},
    deps=[
        *("tasks", "candidate_videos", "caption_fetches", "videos", "clips", "video_files", "feature_index"),
        *("graph_nodes", "graph_edges", "graph_clusters"),
    ],
)
def dataset_statistics(lake: dg.ResourceParam[Lake]) -> pl.DataFrame:
    """Every query of sql/statistics over the lake as it is now, one row a number."""
    return compute_all(lake)

"""The statistics of the data set and of the graph; both are parts of the table ``dataset_statistics``."""

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.statistics.queries import compute_all


def _part(subject: str) -> dict[str, str]:
    return {"howto/table": "dataset_statistics", "howto/part": subject}


@dg.asset(
    group_name="statistics",
    code_version="1",
    kinds={"sql", "duckdb"},
    metadata=_part("videos"),
    deps=["tasks", "candidate_videos", "caption_fetches", "videos", "clips", "video_files", "feature_index"],
)
def dataset_statistics(lake: dg.ResourceParam[Lake]) -> pl.DataFrame:
    """Every query of sql/statistics/videos over the lake as it is now, one row a number."""
    return compute_all(lake, "videos")


@dg.asset(
    group_name="statistics",
    code_version="1",
    kinds={"sql", "duckdb"},
    metadata=_part("graph"),
    deps=["graph_nodes", "graph_edges", "graph_clusters"],
)
def graph_statistics(lake: dg.ResourceParam[Lake]) -> pl.DataFrame:
    """Every query of sql/statistics/graph over the lake as it is now, one row a number."""
    return compute_all(lake, "graph")

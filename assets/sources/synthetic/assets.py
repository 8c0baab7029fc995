"""The ground truth of the synthetic world; part of the graph only where that world is the source."""

import dagster as dg
import polars as pl

from assets.sources.protocol import VideoSource
from assets.sources.synthetic import steps_frame


@dg.asset(code_version="1", kinds={"polars"})
def synthetic_steps(videos: pl.DataFrame, source: dg.ResourceParam[VideoSource]) -> pl.DataFrame:
    """Synthetic ground truth: what is really seen when in each kept video, with questions about it."""
    return steps_frame(source, videos.filter("kept")["video_id"].to_list())

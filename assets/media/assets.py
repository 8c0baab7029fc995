"""Assets of video files."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.media.files import fetch_files
from assets.sources.assets import video_source
from assets.sources.protocol import VideoSource
from assets.videos.sharding import Sharding


@dg.asset(group_name="media", code_version="1", kinds={"file"}, deps=[video_source], pool="network")
def video_files(
    context: dg.AssetExecutionContext,
    videos: pl.LazyFrame,
    source: dg.ResourceParam[VideoSource],
    sharding: dg.ResourceParam[Sharding],
    media_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """The file of each kept video of one shard, with checksum and format, or why there is none."""
    shard = context.partition_key
    kept = videos.filter("kept").select("video_id").collect()["video_id"]
    return fetch_files(source, sharding.members(kept, shard), shard, media_root, progress=context.log.debug)

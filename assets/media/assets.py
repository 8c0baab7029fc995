"""Assets of video files."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets.media.files import fetch_files
from assets.outcomes import stop_if_blocked
from assets.progress import CountedProgress
from assets.sharding import Sharding
from assets.sources.protocol import VideoSource


@dg.asset(code_version="3", kinds={"file"}, deps=["video_source"], pool="network")
def video_files(
    context: dg.AssetExecutionContext,
    videos: pl.LazyFrame,
    source: dg.ResourceParam[VideoSource],
    sharding: dg.ResourceParam[Sharding],
    media_root: dg.ResourceParam[Path],
) -> Iterator[dg.Output]:
    """The file of each kept video of one shard, with checksum and format, or why there is none."""
    shard = context.partition_key
    kept = videos.filter("kept").select("video_id").collect()["video_id"]
    members = sharding.members(kept, shard)
    progress = CountedProgress(context.log.info, len(members), "video files")
    files = fetch_files(source, members, shard, media_root, progress=lambda _: progress.advance())
    yield dg.Output(files)
    stop_if_blocked(files)

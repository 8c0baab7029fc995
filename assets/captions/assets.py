"""Assets from caption tracks to clips."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.captions.fetch import fetch_captions
from assets.captions.segments import clips as clips_of
from assets.sources.assets import video_source
from assets.sources.protocol import VideoSource
from assets.videos.sharding import Sharding


@dg.multi_asset(
    outs={
        "captions": dg.AssetOut(
            description="Caption lines as the source shows them, for the videos of one shard.",
            group_name="captions",
            code_version="1",
            kinds={"polars"},
        ),
        "caption_fetches": dg.AssetOut(
            description="What came of fetching the captions of each candidate video.",
            group_name="captions",
            code_version="1",
            kinds={"polars"},
        ),
    },
    deps=[video_source],
    pool="network",
)
def caption_tracks(
    context: dg.AssetExecutionContext,
    candidate_videos: pl.LazyFrame,
    source: dg.ResourceParam[VideoSource],
    sharding: dg.ResourceParam[Sharding],
) -> Iterator[dg.Output]:
    """Fetch the best English caption track of each kept candidate."""
    shard = context.partition_key
    kept = candidate_videos.filter("kept").select("video_id").collect()["video_id"]
    lines, fetches = fetch_captions(source, sharding.members(kept, shard), shard)
    yield dg.Output(lines, "captions")
    yield dg.Output(fetches, "caption_fetches")


@dg.asset(group_name="captions", code_version="1", kinds={"polars"})
def clips(captions: pl.DataFrame, videos: pl.LazyFrame) -> pl.DataFrame:
    """Clip-caption pairs: each caption line of a kept video, cut where the next one starts."""
    kept = videos.filter("kept").select("video_id", "duration_s").collect()
    return clips_of(captions.join(kept, on="video_id"))

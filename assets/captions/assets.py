"""Assets from caption tracks to clips."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets.captions.fetch import fetch_captions, recogniser
from assets.captions.segments import clips as clips_of
from assets.captions.segments import dropped
from assets.captions.sentences import Segmentation
from assets.captions.shot_borders import ShotBorders
from assets.captions.speech_recognition import Recognition
from assets.captions.tracks import Captioned, CaptionedVideos, ClipCaptions
from assets.lake import Lake
from assets.outcomes import stop_if_blocked
from assets.progress import CountedProgress
from assets.sharding import Sharding


@dg.multi_asset(
    outs={
        "captions": dg.AssetOut(
            description="Caption lines as the source shows them, for the videos of one shard.",
            code_version="2",
            kinds={"polars"},
        ),
        "caption_fetches": dg.AssetOut(
            description="Outcome of fetching the captions of each candidate video.",
            code_version="3",
            kinds={"polars"},
        ),
    },
    deps=["video_source"],
    pool="network",
)
def caption_tracks(
    context: dg.AssetExecutionContext,
    candidate_videos: pl.LazyFrame,
    source: dg.ResourceParam[CaptionedVideos],
    sharding: dg.ResourceParam[Sharding],
    media_root: dg.ResourceParam[Path],
    recognition: dg.ResourceParam[Recognition],
    clip_captions: dg.ResourceParam[ClipCaptions],
    released_captions: dg.ResourceParam[Captioned],  # None where the captions are those of the source
) -> Iterator[dg.Output]:
    """Fetch the best English caption track of each kept candidate, or take it from a follow-up release."""
    shard = context.partition_key
    kept = candidate_videos.filter("kept").select("video_id").collect()["video_id"]
    recognise = recogniser(source, media_root, recognition) if recognition.model else None
    members = sharding.members(kept, shard)
    progress = CountedProgress(context.log.info, len(members), "videos")
    captioned = source if clip_captions.path is None else released_captions
    lines, fetches = fetch_captions(captioned, progress.over(members), shard, recognise)
    yield dg.Output(lines, "captions")
    yield dg.Output(fetches, "caption_fetches")
    stop_if_blocked(fetches)


@dg.asset(code_version="3", kinds={"polars"})
def clips(
    context: dg.AssetExecutionContext,
    captions: pl.DataFrame,
    caption_fetches: pl.DataFrame,
    videos: pl.LazyFrame,
    segmentation: dg.ResourceParam[Segmentation],
    shot_borders: dg.ResourceParam[ShotBorders],
    lake: dg.ResourceParam[Lake],
) -> pl.DataFrame:
    """Clip-caption pairs: each caption line of a kept video, cut where the next one starts; or each sentence."""
    borders = shot_borders.of_shard(lake, context.partition_key)
    kept = videos.filter("kept").select("video_id", "duration_s").collect()
    reasons = dropped(captions.join(kept, on="video_id"))["reason"].value_counts(sort=True)
    context.add_output_metadata({"lines that are no clip": dict(reasons.iter_rows())})
    return clips_of(captions, kept, caption_fetches, segmentation, borders)

"""Assets of the visual features."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets.features.extract import Extraction, VideoFile, extract_shard
from assets.features.index import index_rows, index_version
from assets.features.options import FeatureOptions
from assets.features.store import ARRAY, FeatureStore
from ml.vision.sampling import SourceVideo


@dg.multi_asset(
    outs={
        "video_features": dg.AssetOut(
            dagster_type=dg.Nothing,
            description="Feature arrays of one shard: a float16 row a time step, with its real presentation time.",
            group_name="features",
            code_version="2",
            kinds={"lance", "pytorch"},
            metadata={ARRAY: "features"},
        ),
        "feature_index": dg.AssetOut(
            description="Which rows of the feature arrays belong to which video, and what made them.",
            group_name="features",
            code_version="2",
            kinds={"polars"},
        ),
    },
    pool="gpu",
)
def shard_features(
    context: dg.AssetExecutionContext,
    video_files: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    media_root: dg.ResourceParam[Path],
    feature_options: dg.ResourceParam[FeatureOptions],
) -> Iterator[dg.Output]:
    """Decode the good files of one shard once for all networks of the preset; finished videos are not done again."""
    from assets.features.networks import load_networks

    shard = context.partition_key
    backbones = load_networks(feature_options)
    good = video_files.filter(pl.col("status") == "ok").select("video_id", "uri", "sha256", "frame_rate", "duration_s")
    files = [
        VideoFile(video_id, media_root / uri, sha256, SourceVideo(rate, seconds))
        for video_id, uri, sha256, rate, seconds in good.iter_rows()
    ]
    progress = _progress(context, files, len(backbones))
    outcomes = extract_shard(files, backbones, features, shard, progress, feature_options.batch)
    arrays = {stream: features.array(stream, shard) for stream in feature_options.streams}
    index = index_rows(outcomes, arrays, backbones, shard)
    yield dg.Output(
        None,
        "video_features",
        data_version=dg.DataVersion(index_version(features, feature_options.streams, shard)),
        metadata={
            "dagster/partition_row_count": int(index["rows"].sum()),
            "videos": len(files),
            "failed": int((index["status"] == "failed").sum()),
            "hours": sum(file.video.duration_s for file in files) / 3600,
            "path": dg.MetadataValue.path(str(features.root)),
        },
    )
    yield dg.Output(index, "feature_index")


def _progress(context: dg.AssetExecutionContext, files: list[VideoFile], streams: int) -> Callable[[Extraction], None]:
    """Tells the log how many videos are done in all streams, how many hours they are, and each failure."""
    seconds = {file.video_id: file.video.duration_s for file in files}
    left = dict.fromkeys(seconds, streams)
    hours = sum(seconds.values()) / 3600

    def told(done: Extraction) -> None:
        left[done.video_id] -= 1
        if done.status == "failed":
            context.log.warning(f"{done.video_id}, {done.stream}: {done.error}")
        if not left[done.video_id]:
            finished = [video_id for video_id, waiting in left.items() if not waiting]
            done_hours = sum(seconds[video_id] for video_id in finished) / 3600
            context.log.debug(f"{len(finished)} of {len(left)} videos, {done_hours:.2f} of {hours:.2f} h")

    return told

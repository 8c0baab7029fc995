"""Assets of what videos show: the feature arrays of each shard, shots, quality of clips, and repeated pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets.features.extract import Extraction, VideoFile, readable_files
from assets.features.frames.measure import VERSION
from assets.features.frames.options import ClipLimits, VisualDuplicateOptions
from assets.features.index import index_rows, index_version, stream_summary
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.lake import Lake
from assets.metadata import ARRAY, FEATURES
from assets.models.metrics import rounded
from assets.progress import CountedProgress


@dg.multi_asset(
    outs={
        "video_features": dg.AssetOut(
            dagster_type=dg.Nothing,
            description="Feature arrays of one shard: one float16 row per time step, with its presentation time.",
            code_version="2",
            kinds={"lance", "pytorch"},
            metadata={ARRAY: FEATURES},
        ),
        "feature_index": dg.AssetOut(
            description="The rows of the feature arrays that belong to each video, and the network that made them.",
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
    ray_cluster: dg.ResourceParam[object],  # connected while the step runs
) -> Iterator[dg.Output]:
    """Decode the readable files of one shard once for all networks of the preset; finished videos are skipped."""
    from assets.features.networks import make_shard

    shard = context.partition_key
    files = readable_files(video_files, media_root)
    videos = video_files["video_id"].to_list()
    progress = _log_progress(context, files, len(feature_options.streams))
    outcomes, makers = make_shard(feature_options, files, videos, features, shard, progress)
    arrays = {stream: features.array(stream, shard) for stream in feature_options.streams}
    index = index_rows(outcomes, arrays, makers, shard)
    networks = {spec.name: spec.network for spec in feature_options.specs}
    records = [dg.TableRecord(each) for each in stream_summary(index, networks)]
    yield dg.Output(
        None,
        "video_features",
        data_version=dg.DataVersion(index_version(features, feature_options.streams, shard)),
        metadata={
            "dagster/partition_row_count": int(index["rows"].sum()),
            "videos": len(files),
            "failed": int((index["status"] == "failed").sum()),
            **rounded({"hours": sum(file.video.duration_s for file in files) / 3600}),
            # A shard in which no video could be decoded has no streams, and a table of no records needs a schema.
            **({"streams": dg.MetadataValue.table(records)} if records else {}),
            "path": dg.MetadataValue.path(str(features.root)),
        },
    )
    yield dg.Output(index, "feature_index")


@dg.multi_asset(
    outs={
        "shots": dg.AssetOut(
            description="The shots of each video of one shard, and the cuts, dissolves and fades between them.",
            code_version=VERSION,
            kinds={"numpy"},
        ),
        "frame_statistics": dg.AssetOut(
            description="Light, sharpness, motion and perceptual hashes of each second of the videos of one shard.",
            code_version=VERSION,
            kinds={"numpy"},
        ),
    },
)
def frames(
    context: dg.AssetExecutionContext,
    video_files: pl.DataFrame,
    media_root: dg.ResourceParam[Path],
    lake: dg.ResourceParam[Lake],
) -> Iterator[dg.Output]:
    """Decode all frames of the readable files of one shard once, at 48 × 27 pixels; finished files are skipped."""
    from assets.features.frames.measure import measure_shard

    files, shard = readable_files(video_files, media_root), context.partition_key
    known = as_recorded(context, lake, "shots"), as_recorded(context, lake, "frame_statistics")
    progress = CountedProgress(context.log.info, len(files), "videos")
    earlier = (known[0], known[1]) if known[0] is not None and known[1] is not None else None
    shots, statistics, failed = measure_shard(files, shard, progress.advance, earlier)
    for error in failed.values():
        context.log.warning(error)
    yield dg.Output(shots, "shots", metadata={"videos": len(files), "failed": len(failed)})
    yield dg.Output(statistics, "frame_statistics")


def as_recorded(context: dg.AssetExecutionContext, lake: Lake, table: str) -> pl.DataFrame | None:
    """The stored rows of the partition or table, if they are those that its latest materialization recorded."""
    partition = context.partition_key if context.has_partition_key else None
    partitions = None if partition is None else [partition]
    latest = dg.AssetRecordsFilter(dg.AssetKey(table), partitions)
    for record in context.instance.fetch_materializations(latest, limit=1).records:
        made = record.asset_materialization
        version = lake.version(table, partition)
        if made and version and (made.tags or {}).get("dagster/data_version") == version:
            return lake.read(table, partitions).pl()
    return None


@dg.asset(code_version="2", kinds={"numpy"}, deps=["video_features"])
def visual_duplicates(
    candidate_videos: pl.LazyFrame,
    frame_statistics: pl.LazyFrame,
    feature_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    visual_duplicate_options: dg.ResourceParam[VisualDuplicateOptions],
) -> pl.DataFrame:
    """Videos whose pictures are those of a better-ranked one: silent, mirrored, cropped or subtitled re-uploads."""
    from assets.features.frames.duplicates import hashes_of, vectors_of
    from assets.features.frames.duplicates import visual_duplicates as duplicates_of

    ranked = candidate_videos.filter("kept").sort("rank", "video_id").select("video_id").collect()
    reader = FeatureReader(feature_index, features, feature_options.streams[:1])
    return duplicates_of(
        ranked, hashes_of(ranked, frame_statistics), vectors_of(ranked, reader), visual_duplicate_options
    )


@dg.asset(code_version="1", kinds={"duckdb"})
def clip_quality(
    clips: pl.DataFrame,
    shots: pl.DataFrame,
    frame_statistics: pl.DataFrame,
    visual_duplicates: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    clip_limits: dg.ResourceParam[ClipLimits],
) -> pl.DataFrame:
    """Cuts, light, sharpness, motion, speech rate and language of each clip, and whether the limits keep it."""
    from assets.features.frames.quality import clip_quality as quality_of
    from assets.features.frames.quality import known_leaks

    leaks = known_leaks(lake, clip_limits)
    return quality_of(clips, shots, frame_statistics, visual_duplicates, leaks, clip_limits)


def _log_progress(
    context: dg.AssetExecutionContext, files: list[VideoFile], streams: int
) -> Callable[[Extraction], None]:
    """A function that logs each failure, and how many videos are done, counting each stream."""
    progress = CountedProgress(context.log.info, len(files) * streams, "feature arrays of videos")

    def log_outcome(outcome: Extraction) -> None:
        if outcome.status == "failed":
            context.log.warning(f"{outcome.video_id}, {outcome.stream}: {outcome.error}")
        progress.advance()

    return log_outcome

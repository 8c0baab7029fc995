"""Assets of the visual features."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets.features.extract import VideoFile, extract_shard
from assets.features.index import BackboneOptions, index_rows, index_version
from assets.features.store import FeatureStore


@dg.multi_asset(
    outs={
        "video_features": dg.AssetOut(
            dagster_type=dg.Nothing,
            description="Feature arrays of one shard: a float16 row a time step, with its real presentation time.",
            group_name="features",
            code_version="1",
            kinds={"lance", "pytorch"},
        ),
        "feature_index": dg.AssetOut(
            description="Which rows of the feature arrays belong to which video, and what made them.",
            group_name="features",
            code_version="1",
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
    backbone_options: dg.ResourceParam[BackboneOptions],
    device: dg.ResourceParam[str],
) -> Iterator[dg.Output]:
    """Decode the good files of one shard and run the network over their frames; finished videos are not done again."""
    from ml.training import pick_device
    from ml.vision.registry import load_backbone

    shard = context.partition_key
    backbone = load_backbone(backbone_options.name, pick_device(device))
    good = video_files.filter(pl.col("status") == "ok").select("video_id", "uri", "sha256")
    files = [VideoFile(video_id, media_root / uri, sha256) for video_id, uri, sha256 in good.iter_rows()]
    outcomes = extract_shard(
        files, backbone, features, shard, progress=lambda done: context.log.debug(f"{done.video_id}: {done.status}")
    )
    array = features.array(backbone.name, shard)
    index = index_rows(outcomes, array.index(), backbone, shard)
    yield dg.Output(
        None,
        "video_features",
        data_version=dg.DataVersion(index_version(array)),
        metadata={
            "dagster/partition_row_count": int(index["rows"].sum()),
            "videos": len(files),
            "failed": int((index["status"] == "failed").sum()),
            "lance_version": array.version() or 0,
            "path": dg.MetadataValue.path(str(array.path)),
        },
    )
    yield dg.Output(index, "feature_index")

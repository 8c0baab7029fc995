"""What the joint embedding learns from: usable videos, their split, and the versions of what they hold.

Belongs here: joining clips and features into one row a video. A model depends on this one table, so that it is trained
again exactly when some video's clips or features changed, however many shards there are.
"""

from __future__ import annotations

import hashlib

import polars as pl


def split_of(video_id: str, seed: int, held_out_share: float) -> str:
    """The split of a video: a hash of its id alone, so that it stays when the data set grows."""
    digest = hashlib.blake2b(f"{seed}:{video_id}".encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    if position < held_out_share:
        return "test"
    return "validation" if position < 2 * held_out_share else "train"


def manifest(clips: pl.LazyFrame, feature_index: pl.LazyFrame, seed: int, held_out_share: float) -> pl.DataFrame:
    """One row a video that has both clips and features (columns of ``training_manifest``).

    With very few videos a split could stay empty; then the last videos by hash go to testing and validation, so that
    something is always held out of two videos or more.
    """
    clip_versions = clips.group_by("video_id").agg(
        pl.len().cast(pl.Int64).alias("clips"),
        pl.struct("start_s", "end_s", "caption", "caption_clean")
        .sort_by("clip_index")
        .map_elements(_digest, return_dtype=pl.String, returns_scalar=True)
        .alias("clips_version"),
    )
    features = (
        feature_index.filter(pl.col("status") == "ok")
        .select("video_id", "shard", pl.col("rows").alias("feature_rows"), pl.col("content_hash").alias("features_version"))
        .filter(pl.col("feature_rows") > 0)
    )
    rows = clip_versions.join(features, on="video_id").sort("video_id").collect(engine="streaming")
    splits = [split_of(video_id, seed, held_out_share) for video_id in rows["video_id"]]
    for index, wanted in ((-1, "test"), (-2, "validation"), (-3, "train")):
        if wanted not in splits and len(splits) >= -index:
            splits[index] = wanted
    return rows.with_columns(pl.Series("split", splits, dtype=pl.String)).select(
        "video_id", "shard", "split", "clips", "feature_rows", "clips_version", "features_version"
    )


def _digest(rows: pl.Series) -> str:
    return hashlib.sha256(repr(rows.to_list()).encode()).hexdigest()[:16]

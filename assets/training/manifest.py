"""What the joint embedding learns from: usable videos, their split, and the versions of what they hold.

Belongs here: joining clips and features into one row a video. A model depends on this one table, so that it is trained
again exactly when some video's clips or features changed, however many shards there are.
"""

from __future__ import annotations

import duckdb
import polars as pl

from assets.splits import SplitOptions, split_of


def manifest(
    clips: duckdb.DuckDBPyRelation, feature_index: duckdb.DuckDBPyRelation, options: SplitOptions
) -> pl.DataFrame:
    """One row a video that has both clips and features (columns of ``training_manifest``).

    With very few videos a split could stay empty; then the last videos by id fill testing, validation and training, in
    this order, so that something is held out of two videos or more.
    """
    rows_of_video = clips.query(
        "clips",
        "SELECT video_id, count(*) AS clips,"
        " to_hex(md5_number(string_agg(row_hash, '' ORDER BY clip_index))) AS clips_version"
        " FROM (SELECT *, hash(start_s, end_s, caption, caption_clean)::VARCHAR AS row_hash FROM clips)"
        " GROUP BY video_id",
    ).pl()
    features = feature_index.filter("status = 'ok' AND rows > 0").project(
        "video_id, shard, rows AS feature_rows, content_hash AS features_version"
    )
    rows = rows_of_video.join(features.pl(), on="video_id").sort("video_id")
    splits = [split_of(video_id, options) for video_id in rows["video_id"]]
    for index, wanted in ((-1, "test"), (-2, "validation"), (-3, "train")):
        if wanted not in splits and len(splits) >= -index:
            splits[index] = wanted
    return rows.with_columns(pl.Series("split", splits, dtype=pl.String)).select(
        "video_id", "shard", "split", "clips", "feature_rows", "clips_version", "features_version"
    )

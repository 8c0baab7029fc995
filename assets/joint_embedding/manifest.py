"""The training manifest of the joint embedding: videos that have pairs, their split, and the version of their pairs.

The model depends on this one table, so that it is trained again exactly when the pairs of a video change, however many
shards there are.
"""

from __future__ import annotations

import duckdb
import polars as pl

from assets.splits import SplitOptions, splits_of_videos


def manifest(pair_index: duckdb.DuckDBPyRelation, options: SplitOptions) -> pl.DataFrame:
    """One row per video that has pairs (columns of ``training_manifest``)."""
    columns = "video_id, shard, first_row, pairs, content_hash AS pairs_version"
    rows = pair_index.filter("pairs > 0").project(columns).pl().sort("video_id")
    splits = splits_of_videos(rows["video_id"], options)
    split = rows["video_id"].replace_strict(splits, return_dtype=pl.String).alias("split")
    return rows.with_columns(split).select("video_id", "shard", "split", "first_row", "pairs", "pairs_version")

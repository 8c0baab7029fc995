"""What the joint embedding learns from: usable videos, their split, and the versions of their pairs.

Belongs here: one row a video. A model depends on this one table, so that it is trained again exactly when some video's
pairs changed, however many shards there are.
"""

from __future__ import annotations

import duckdb
import polars as pl

from assets.splits import SplitOptions, split_of


def manifest(pair_index: duckdb.DuckDBPyRelation, options: SplitOptions) -> pl.DataFrame:
    """One row a video that has pairs (columns of ``training_manifest``).

    With very few videos a split could stay empty; then the last videos by id fill testing, validation and training, in
    this order, so that something is held out of two videos or more.
    """
    columns = "video_id, shard, first_row, pairs, content_hash AS pairs_version"
    rows = pair_index.filter("pairs > 0").project(columns).pl().sort("video_id")
    splits = [split_of(video_id, options) for video_id in rows["video_id"]]
    for index, wanted in ((-1, "test"), (-2, "validation"), (-3, "train")):
        if wanted not in splits and len(splits) >= -index:
            splits[index] = wanted
    return rows.with_columns(pl.Series("split", splits, dtype=pl.String)).select(
        "video_id", "shard", "split", "first_row", "pairs", "pairs_version"
    )

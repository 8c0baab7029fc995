"""The lake's index of the feature arrays.

Belongs here: from outcomes of an extraction to rows of ``feature_index``, and the content version of an array.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from assets.features.extract import Extraction
from assets.features.store import FeatureArray
from assets.lake import load_tables
from ml.vision.backbone import Backbone


@dataclass(frozen=True)
class BackboneOptions:
    """The network that makes the features."""

    name: str


def index_rows(outcomes: Sequence[Extraction], array: pl.DataFrame, backbone: Backbone, shard: str) -> pl.DataFrame:
    """Rows of ``feature_index`` for one shard: where each video's vectors are, or why it has none.

    Args:
        array: what ``FeatureArray.index`` says.
    """
    places = {
        video_id: (first_row, content_hash)
        for video_id, first_row, content_hash in array.select("video_id", "first_row", "content_hash").iter_rows()
    }
    return load_tables()["feature_index"].frame(
        (
            shard,
            outcome.video_id,
            backbone.name,
            places[outcome.video_id][0] if outcome.rows else None,
            outcome.rows,
            backbone.rate_hz,
            backbone.dim,
            backbone.fingerprint,
            places[outcome.video_id][1] if outcome.rows else None,
            outcome.status,
            outcome.error,
        )
        for outcome in outcomes
    )


def index_version(array: FeatureArray) -> str:
    """Content version of an array: depends on whose rows it holds and on the rows, not on how they lie on disk."""
    return hashlib.sha256(repr(array.index().drop("first_row").rows()).encode()).hexdigest()[:16]

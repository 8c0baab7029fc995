"""The lake's index of the feature arrays.

Belongs here: from outcomes of an extraction to rows of ``feature_index``, and the content version of a shard's arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from assets.features.extract import Extraction
from assets.features.store import FeatureArray, FeatureStore
from assets.lake import load_tables
from ml.files import content_hash


def index_rows(
    outcomes: Sequence[Extraction],
    arrays: Mapping[str, FeatureArray],
    makers: Mapping[str, tuple[int, str]],
    shard: str,
) -> pl.DataFrame:
    """Rows of ``feature_index`` for one shard: where each video's vectors are by stream, or why it has none.

    Args:
        makers: numbers in a row, and the extractor's fingerprint, by stream.
    """
    places = {
        (stream, video_id): (first_row, content_hash)
        for stream, array in arrays.items()
        for video_id, first_row, content_hash in array.index()
        .select("video_id", "first_row", "content_hash")
        .iter_rows()
    }
    nowhere = (None, None)
    return load_tables()["feature_index"].frame(
        (
            shard,
            outcome.video_id,
            outcome.stream,
            (place := places.get((outcome.stream, outcome.video_id), nowhere) if outcome.rows else nowhere)[0],
            outcome.rows,
            outcome.rate_hz,
            *makers[outcome.stream],
            place[1],
            outcome.status,
            outcome.error,
        )
        for outcome in outcomes
    )


def index_version(store: FeatureStore, streams: Sequence[str], shard: str) -> str:
    """Content version of a shard's arrays: depends on whose rows they hold and on the rows, not on how they lie."""
    rows = [(stream, store.array(stream, shard).index().drop("first_row").rows()) for stream in streams]
    return content_hash(rows)

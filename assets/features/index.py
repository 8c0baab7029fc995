"""The index of the feature arrays: rows of ``feature_index``, and the content version of a shard's arrays."""

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
    table: str = "feature_index",
) -> pl.DataFrame:
    """Rows of ``table`` of one shard: the array rows of each video and stream, or the reason why it has none.

    Args:
        makers: by stream, the numbers in a row and the fingerprint of the extractor.
    """
    places = {
        (stream, video_id): (first_row, content_hash)
        for stream, array in arrays.items()
        for video_id, first_row, content_hash in array.index()
        .select("video_id", "first_row", "content_hash")
        .iter_rows()
    }
    no_place = (None, None)
    return load_tables()[table].frame(
        (
            shard,
            outcome.video_id,
            outcome.stream,
            (place := places.get((outcome.stream, outcome.video_id), no_place) if outcome.rows else no_place)[0],
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
    """Content version of a shard's arrays. It depends on their videos and rows, not on the order or the files."""
    rows = [(stream, store.array(stream, shard).index().drop("first_row").rows()) for stream in streams]
    return content_hash(rows)


def stream_summary(index: pl.DataFrame, networks: Mapping[str, str]) -> list[dict[str, str | int]]:
    """What an asset page shows of each stream: network, dimension, type, rows per second.

    Args:
        index: rows of ``feature_index`` of one shard.
        networks: name of the network by stream.
    """
    return [
        {
            "stream": str(stream),
            "network": networks.get(str(stream), "unknown"),
            "dimension": int(rows["dim"].max()),  # type: ignore[arg-type]
            "dtype": "float16",
            "rows_per_second": " or ".join(f"{rate:.4g}" for rate in rows["rate_hz"].unique().sort()),
            "rows": int(rows["rows"].sum()),
        }
        for (stream,), rows in index.group_by("stream", maintain_order=True)
    ]

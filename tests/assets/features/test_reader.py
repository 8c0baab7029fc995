"""Reading features by video: from the right shard and rows, and only where every stream has some."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore, Source, VideoRows
from assets.lake import load_tables

ROWS = {"a": ("0", 3), "b": ("0", 2), "c": ("1", 4)}
"""Shard and number of rows of each video."""


def write_stream(store: FeatureStore, stream: str, dim: int, videos: list[str]) -> list[tuple[object, ...]]:
    """Rows of ``feature_index`` of a stream whose vectors hold the first letter of their video; others have failed."""
    index: list[tuple[object, ...]] = []
    first = {"0": 0, "1": 0}
    for video_id, (shard, count) in ROWS.items():
        if video_id not in videos:
            index.append((shard, video_id, stream, None, 0, 2.0, dim, "net", None, "failed", "broken"))
            continue
        vectors = np.full((count, dim), ord(video_id), np.float16)
        store.array(stream, shard).append([VideoRows(Source(video_id, "sha", "net"), np.arange(count) / 2, vectors)])
        index.append((shard, video_id, stream, first[shard], count, 2.0, dim, "net", "hash", "ok", None))
        first[shard] += count
    return index


def test_a_video_is_read_from_its_shard_in_every_stream(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    rows = [*write_stream(store, "slow", 4, ["a", "b", "c"]), *write_stream(store, "fast", 3, ["b", "c"])]
    index = load_tables()["feature_index"].frame(rows)
    reader = FeatureReader(index, store, ("fast", "slow"))
    assert reader.dim == 7 and reader.video_ids == ("b", "c")
    for video_id in ("b", "c"):
        streams = reader.read(video_id)
        assert streams is not None
        assert [each.vectors.shape for each in streams] == [(ROWS[video_id][1], 3), (ROWS[video_id][1], 4)]
        assert all((each.vectors == ord(video_id)).all() and each.rate_hz == 2.0 for each in streams)
        assert streams[0].times.tolist() == [row / 2 for row in range(ROWS[video_id][1])]
    assert reader.read("a") is None and reader.missing_stream("a") == "fast"
    assert reader.read("unknown") is None
    assert FeatureReader(index, store, ("slow",)).video_ids == ("a", "b", "c")

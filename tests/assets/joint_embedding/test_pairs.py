"""Clip-caption pairs of a shard: what cannot be learned from is left out, with its id and the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore, Source, VideoRows
from assets.joint_embedding.alignment import pairs_by
from assets.joint_embedding.options import PairOptions
from assets.joint_embedding.pairs import write_shard
from assets.lake import load_tables
from ml.joint_embedding.pair_store import PairStore

STREAMS = ("slow", "fast")
SECONDS = 30
VIDEOS = ("good", "not_a_number", "one_stream")


def test_what_cannot_be_learned_from_is_left_out_with_its_reason(tmp_path: Path) -> None:
    features, index = FeatureStore(tmp_path / "features"), []
    rng = np.random.default_rng(0)
    for stream in STREAMS:
        first = 0
        for video_id in VIDEOS:
            if (video_id, stream) == ("one_stream", "fast"):
                index.append(("0", video_id, stream, None, 0, 1.0, 4, stream, None, "failed", "broken"))
                continue
            rows = rng.random((SECONDS, 4)).astype(np.float16)
            rows[3] = np.nan if video_id == "not_a_number" else rows[3]
            source = Source(video_id, "sha", stream)
            features.array(stream, "0").append([VideoRows(source, np.arange(float(SECONDS)), rows)])
            index.append(("0", video_id, stream, first, SECONDS, 1.0, 4, stream, "hash", "ok", None))
            first += SECONDS
    spoken = [(2.0, 8.0, "whisk eggs"), (12.0, 18.0, ""), (60.0, 66.0, "serve")]
    clips = pl.DataFrame(
        [
            (video, number, *line)
            for video in ("good", "not_a_number", "one_stream")
            for number, line in enumerate(spoken)
        ],
        schema=["video_id", "clip_index", "start_s", "end_s", "caption_clean"],
        orient="row",
    )
    written = write_shard(
        clips,
        FeatureReader(load_tables()["feature_index"].frame(index), features, STREAMS),
        PairStore(tmp_path / "pairs"),
        "0",
        pairs_by(PairOptions()),
    )
    counts = {
        row["video_id"]: (row["pairs"], row["without_features"], row["without_words"]) for row in written.to_dicts()
    }
    assert counts == {"good": (1, 1, 1), "not_a_number": (0, 0, 0), "one_stream": (0, 0, 0)}
    assert dict(written.select("video_id", "reason").iter_rows()) == {
        "good": None,
        "not_a_number": "its features are not finite numbers",
        "one_stream": "no features by fast",
    }
    stored = PairStore(tmp_path / "pairs").open("0").to_table().to_pydict()
    assert stored["video_id"] == ["good"] and stored["caption"] == ["whisk eggs"]

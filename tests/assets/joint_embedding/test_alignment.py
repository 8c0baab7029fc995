"""From clips and feature arrays to the table of aligned clips, and to pairs that are learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch

from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore, Source, VideoRows
from assets.joint_embedding.alignment import align_shard, pairs_by, write_aligned_pairs
from assets.joint_embedding.options import PairOptions
from assets.joint_embedding.pairs import write_shard
from assets.joint_embedding.text_video import load_joint_embedding
from assets.lake import load_tables
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore, StoredPairs
from ml.joint_embedding.train import load_words
from ml.training import write_model_folder

VOCABULARY = [f"word{number}" for number in range(6)]


def write_models(root: Path) -> tuple[Path, Path]:
    """Any joint embedding of two streams of 4 and 3 numbers, and word vectors."""
    torch.manual_seed(0)
    sizes = {"video_dim": 7, "word_dim": 6, "embedding_dim": 5, "sentence_dim": None}
    model = JointEmbedding(7, 6, 5)
    write_model_folder(root / "joint_embedding", model.state_dict(), {"model": sizes}, {}, [], {})
    write_model_folder(root / "word_vectors", {"vectors": torch.eye(6)}, {"dim": 6, "words": VOCABULARY}, {}, [], {})
    return root / "joint_embedding", root / "word_vectors"


def test_a_shard_is_aligned_and_learned_from(tmp_path: Path) -> None:
    rng, store = np.random.default_rng(0), FeatureStore(tmp_path / "features")
    rates, dims = {"slow": 1.0, "fast": 1.5}, {"slow": 4, "fast": 3}
    rows = []
    for stream, rate in rates.items():
        videos = ["a", "b"] if stream == "slow" else ["a"]
        count = int(40 * rate)
        written = [
            VideoRows(Source(v, "sha", stream), np.arange(count) / rate, rng.random((count, dims[stream]), np.float32))
            for v in videos
        ]
        store.array(stream, "0").append([VideoRows(w.source, w.times, w.vectors.astype(np.float16)) for w in written])
        rows += [
            ("0", v, stream, place * count, count, rate, dims[stream], stream, "hash", "ok", None)
            for place, v in enumerate(videos)
        ]
    index = load_tables()["feature_index"].frame(rows)
    captions = ["word1 word2", "nothing known", "word3", "word4 word0"]
    clips = pl.DataFrame(
        {
            "video_id": ["a", "a", "a", "b"],
            "clip_index": [0, 1, 2, 0],
            "start_s": [2.0, 10.0, 20.0, 3.0],
            "end_s": [4.0, 14.0, 27.0, 9.0],
            "caption": [f"so the {caption}" for caption in captions],
            "caption_clean": captions,
        }
    )
    _, words = write_models(tmp_path)
    reader = FeatureReader(index, store, ("slow", "fast"))
    aligned, left_out = align_shard(clips, reader, load_joint_embedding(tmp_path), "0", radius_s=4)
    assert left_out == {"no features": 1, "no feature row in any window": 0, "no known word": 1}
    assert aligned.select("video_id", "clip_index").rows() == [("a", 0), ("a", 2)]
    middle = (aligned["start_s"] + aligned["end_s"]) / 2 - aligned["shift_s"]
    assert middle.round(6).to_list() == [3, 23.5]
    assert (aligned["shift_s"].abs() <= 4).all()
    pairs = PairStore(tmp_path / "pairs")
    places = write_aligned_pairs(aligned, clips, reader, pairs, "0")
    stored = StoredPairs(pairs, places, load_words(words))
    vectors, ids = stored.take(np.arange(2))
    assert len(stored) == 1 and stored.dim == 7
    assert sorted(ids[:, :2].tolist()) == [[2, 3], [4, 0]]
    assert np.allclose(np.linalg.norm(vectors[:, :4].astype(float), axis=1), 1, atol=1e-2)
    best = float(aligned["score"].max())
    places = write_aligned_pairs(aligned, clips, reader, pairs, "0", min_score=best)
    assert [place.pairs for place in places] == [1]


def test_pairs_are_made_where_an_earlier_model_sees_the_captions(tmp_path: Path) -> None:
    write_models(tmp_path)
    rng, store, streams = np.random.default_rng(0), FeatureStore(tmp_path / "features"), ("slow", "fast")
    index = []
    for stream, dim in zip(streams, (4, 3), strict=True):
        rows = VideoRows(Source("a", "sha", stream), np.arange(40.0), rng.random((40, dim)).astype(np.float16))
        store.array(stream, "0").append([rows])
        index.append(("0", "a", stream, 0, 40, 1.0, dim, stream, "hash", "ok", None))
    clips = pl.DataFrame(
        {
            "video_id": ["a", "a", "a"],
            "clip_index": [0, 1, 2],
            "start_s": [12.0, 20.0, 25.0],
            "end_s": [18.0, 26.0, 31.0],
            "caption_clean": ["word1 word2", "nothing known", "word3"],
        }
    )
    reader = FeatureReader(load_tables()["feature_index"].frame(index), store, streams)
    spoken, seen = (
        write_shard(clips, reader, PairStore(tmp_path / name), "0", pairs_by(options))
        for name, options in (("spoken", PairOptions()), ("seen", PairOptions(aligner=tmp_path)))
    )
    assert (spoken["pairs"][0], seen["pairs"][0], seen["without_words"][0]) == (3, 2, 1)
    times = [
        PairStore(tmp_path / name).open("0").to_table(columns=["start_s"])["start_s"].to_pylist()
        for name in ("spoken", "seen")
    ]
    assert times[0] == [12.0, 20.0, 25.0]
    assert times[1] == sorted(times[1]) and not set(times[1]) <= set(times[0])

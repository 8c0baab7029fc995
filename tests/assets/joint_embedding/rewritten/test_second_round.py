"""HowToCaption's second round: the share that is kept, two models, and captions that become clips of another lake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.captions.fetch import fetch_captions
from assets.captions.segments import clips as clips_of
from assets.captions.sentences import Segmentation
from assets.captions.tracks import ClipCaptions
from assets.features.reader import FeatureReader
from assets.joint_embedding.rewritten.matching import match_captions, matching_model
from assets.joint_embedding.text_video import LakeModel, load_joint_embedding
from assets.lake import Lake, load_tables
from assets.sharding import Sharding
from assets.sources.followups.shards import released
from assets.sources.howto100m_release.export import ExportError, export_rewritten
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import MeanOfModels
from ml.training import write_model_folder
from tests.assets.joint_embedding.test_alignment import write_models
from tests.assets.joint_embedding.test_follow_ups import Actions, features

__all__ = ["features"]


def rewritten(*rows: tuple[str, int, str]) -> pl.DataFrame:
    return load_tables()["rewritten_captions"].frame(
        ("0", video, line, 0, second, text, "llm", "hash") for line, (video, second, text) in enumerate(rows)
    )


def test_a_share_of_the_captions_is_kept(features: FeatureReader) -> None:
    """The features show 'peel' up to second 25, then 'dice'."""
    said = ("a", "peel"), ("a", "peel dice"), ("a", "serve"), ("b", "dice"), ("gone", "fry")
    captions = rewritten(*((video, 5, text) for video, text in said))
    kept = {share: match_captions(captions, features, Actions(), -1.0, share) for share in (1.0, 0.5)}
    assert kept[1.0]["kept"].to_list() == [True, True, True, True, False]
    scores = kept[0.5]["score"].to_list()
    assert scores[0] == scores[1] == 1 and scores[2] == 0 and scores[3] < 1
    assert kept[0.5]["kept"].to_list() == [True, True, False, False, False]
    assert kept[0.5]["reason"].to_list()[2:] == [
        *["not among the most similar 0.5 of the shard's captions"] * 2,
        "no features",
    ]


def test_the_mean_of_two_models_is_the_mean_of_their_scores(tmp_path: Path) -> None:
    write_models(tmp_path)
    first, second = load_joint_embedding(tmp_path), load_joint_embedding(tmp_path)
    second.model.load_state_dict({name: -0.5 * each for name, each in first.model.state_dict().items()})
    both, texts = MeanOfModels(first, second), ["word1 word2", "word3"]
    rows = np.random.default_rng(0).random((20, 7), np.float32)
    streams, start, end = [Stream(rows, 1.0)], np.array([0.0, 5.0, 19.0]), np.array([5.0, 9.0, 19.5])
    clip, empty = both.encode_clips(streams, start, end)
    scores = [each.encode_text(texts) @ each.encode_clips(streams, start, end)[0].T for each in (first, second)]
    np.testing.assert_allclose(both.encode_text(texts) @ clip.T, sum(scores) / 2, atol=1e-6)
    assert empty.tolist() == first.encode_clips(streams, start, end)[1].tolist()
    assert both.known_words("word1 unheard-of") == ["word1"]


def test_models_of_other_features_are_refused(tmp_path: Path) -> None:
    write_models(tmp_path / "own")
    write_models(tmp_path / "other")
    own = LakeModel(load_joint_embedding(tmp_path / "own"))
    assert matching_model(own, None, "cpu") is own.model
    sizes = {"video_dim": 8, "word_dim": 6, "embedding_dim": 5, "sentence_dim": None}
    state = JointEmbedding(8, 6, 5).state_dict()
    write_model_folder(tmp_path / "other" / "joint_embedding", state, {"model": sizes}, {}, [], {})
    with pytest.raises(ValueError, match="takes features of 8 numbers, this lake's 7"):
        matching_model(own, tmp_path / "other", "cpu")
    with pytest.raises(ValueError, match="needs HOWTO_TEXT_VIDEO_MODEL=joint_embedding"):
        matching_model(LakeModel(Actions()), tmp_path / "own", "cpu")


def test_rewritten_captions_become_clips_of_another_lake(tmp_path: Path) -> None:
    lake, file = Lake(tmp_path / "lake"), tmp_path / "rewritten.json"
    with pytest.raises(ExportError, match="has no rewritten captions: set HOWTO_REWRITING_URL"):
        export_rewritten(lake, file)
    rows = [
        ("0", "vid00000001", 0, 30.0, 38.0, "dices an onion", 0.0, 0.5, 0, "llm", "hash", True, None),
        ("0", "vid00000001", 1, 4.0, 12.0, "peels “it”, slowly", 0.0, 0.6, 0, "llm", "hash", True, None),
        ("0", "vid00000001", 2, 7.0, 15.0, "peels more", 0.0, 0.6, 0, "llm", "hash", True, None),
        ("0", "vid00000002", 0, 4.0, 12.0, "welcomes us", 0.0, 0.1, 0, "llm", "hash", False, "similarity below 0.2"),
    ]
    lake.write("rewritten_clips", load_tables()["rewritten_clips"].frame(rows), "0")
    assert export_rewritten(lake, file) == 1
    assert list(json.loads(file.read_text())) == ["vid00000001"]
    source = released(ClipCaptions("rewritten", file), tmp_path / "cache", Sharding(1))
    assert source is not None
    lines, fetches = fetch_captions(source, ["vid00000001", "vid00000002"], "0")
    videos = pl.DataFrame({"video_id": ["vid00000001"], "duration_s": [36.0]})
    made = clips_of(lines, videos, fetches, Segmentation())
    assert made.select("start_s", "end_s", "caption", "caption_source").rows() == [
        (4.0, 12.0, "peels “it”, slowly", "rewritten"),
        (7.0, 15.0, "peels more", "rewritten"),
        (30.0, 36.0, "dices an onion", "rewritten"),
    ]
    assert fetches["status"].to_list() == ["ok", "no_captions"]

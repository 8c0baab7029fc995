"""HTM-Align, caption tracks and rewritten captions with a text-video model whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from assets.captions.rewriting.options import RewritingOptions
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore, Source, VideoRows
from assets.joint_embedding.caption_tracks.assets import caption_track_study
from assets.joint_embedding.caption_tracks.comparison import (
    compare_tracks,
    merged,
    release_clips,
    studied_videos,
    tracks_figure,
)
from assets.joint_embedding.htm_align.assets import htm_align_evaluation
from assets.joint_embedding.htm_align.evaluation import WHOLE, WINDOWED, evaluate_htm_align
from assets.joint_embedding.htm_align.options import HtmAlignOptions
from assets.joint_embedding.options import TextVideoOptions
from assets.joint_embedding.rewritten.assets import rewritten_clips
from assets.joint_embedding.rewritten.matching import match_captions
from assets.joint_embedding.rewritten.options import MatchingOptions
from assets.lake import Lake, load_tables
from ml.joint_embedding.pairs import Stream
from ml.text_video.open_clip import OpenClipTextVideo
from ml.vision.presets import Options
from tests.assets.joint_embedding.test_alignment import write_models
from tests.ml.text_video.towers import open_clip_folder

ACTIONS = ("peel", "dice", "fry", "serve")
SECONDS = 100
STREAM = "actions"


class Actions:
    """A text is the actions that it names; a clip is the mean of its rows, each of which shows one action."""

    identity, dimension = "actions@1", len(ACTIONS)

    def known_words(self, text: str) -> list[str]:
        return [word for word in text.split() if word in ACTIONS]

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [[float(action in text.split()) for action in ACTIONS] for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), -1)

    def encode_clips(
        self, streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        (rows,) = (stream.features.astype(np.float32) for stream in streams)
        parts = [rows[int(start) : max(int(end), int(start) + 1)] for start, end in zip(start_s, end_s, strict=True)]
        empty = np.array([not len(part) for part in parts], bool)
        vectors = [part.mean(0) if len(part) else np.zeros(self.dimension) for part in parts]
        return np.array(vectors, np.float32).reshape(-1, self.dimension), empty


def shown(second: int) -> int:
    """The action of a second: each takes 25 s."""
    return second * len(ACTIONS) // SECONDS


@pytest.fixture
def features(tmp_path: Path) -> FeatureReader:
    """Two videos that show the four actions one after the other."""
    store, rows = (
        FeatureStore(tmp_path / "arrays"),
        np.eye(len(ACTIONS), dtype=np.float16)[[*map(shown, range(SECONDS))]],
    )
    times = np.arange(SECONDS) + 0.5
    store.array(STREAM, "0").append([VideoRows(Source(video, "sha", "x"), times, rows) for video in ("a", "b")])
    index = load_tables()["feature_index"].frame(
        ("0", video, STREAM, SECONDS * place, SECONDS, 1.0, len(ACTIONS), "x", "hash", "ok", None)
        for place, video in enumerate(("a", "b"))
    )
    return FeatureReader(index, store, [STREAM])


def write_annotations(folder: Path) -> Path:
    """Sentences of two videos: what is shown is alignable; one action is annotated at the wrong time."""
    sentences = [[1, 25.0 * i + 2, 25.0 * i + 20, f"now {action} it"] for i, action in enumerate(ACTIONS)]
    others = [[0, 25.0 * i, 25.0 * i + 5, "welcome back"] for i in range(len(ACTIONS))]
    wrong = [[1, 90.0, 95.0, "peel"], [0, 50.0, 52.0, "hello"]]
    narration = [each for pair in zip(others, sentences, strict=True) for each in pair]
    folder.mkdir(exist_ok=True)
    (folder / "htm_align.json").write_text(json.dumps({"a": narration, "b": [*wrong], "gone": others}))
    return folder


def test_htm_align_finds_the_second_that_shows_a_sentence(tmp_path: Path, features: FeatureReader) -> None:
    found = evaluate_htm_align(write_annotations(tmp_path / "htm"), Actions(), features, {STREAM: 1.0})
    assert (found.videos, found.left_out) == (3, {"gone": f"the lake has no features by {STREAM}"})
    whole = found.metrics[f"actions@1, {WHOLE}"]
    # Of 25 equal seconds the first is found, which is two seconds before the annotated times.
    assert whole == {"R@1": 0, "ROC-AUC": 1.0, "queries": 10}
    chance = (19 + 19 + 19 + 19 + 6) / 5 / SECONDS
    assert found.metrics["random second"] == {"R@1": pytest.approx(chance), "ROC-AUC": 0.5, "queries": 10}
    assert found.metrics[f"actions@1, {WINDOWED}"]["queries"] == 10


def test_published_features_of_htm_align_win_over_those_of_the_lake(tmp_path: Path, features: FeatureReader) -> None:
    folder = write_annotations(tmp_path / "htm")
    (folder / STREAM).mkdir()
    rows = np.zeros((SECONDS, len(ACTIONS)), np.float16)
    for action in range(len(ACTIONS)):
        rows[25 * action + 10, action] = 1
    for video in ("a", "b", "gone"):
        np.save(folder / STREAM / f"{video}.npy", rows)
    found = evaluate_htm_align(folder, Actions(), features, {STREAM: 1.0})
    assert found.left_out == {}
    assert found.metrics[f"actions@1, {WHOLE}"]["R@1"] == pytest.approx(4 / 5)
    assert evaluate_htm_align(folder, Actions(), features, {}).metrics == found.metrics, "one row per second"
    np.save(folder / STREAM / "gone.npy", rows[:0])
    again = evaluate_htm_align(folder, Actions(), features, {STREAM: 1.0})
    assert "has shape (0, 4)" in again.left_out["gone"]
    (folder / "htm_align.json").write_text(json.dumps({"nowhere": [[1, 0, 1, "peel"]]}))
    with pytest.raises(ValueError, match="no video of it can be scored"):
        evaluate_htm_align(folder, Actions(), features, {STREAM: 1.0})


def test_published_features_of_clip_are_compared_with_whole_sentences_by_cosine(tmp_path: Path) -> None:
    """As the authors of HTM-Align evaluate CLIP: rows as ``encode_image`` gives them, stop words kept."""
    weights = open_clip_folder(tmp_path, "clip")
    model = OpenClipTextVideo(weights, Options())
    rows = np.random.default_rng(0).normal(0, 5, (SECONDS, model.dimension)).astype(np.float16)
    # Long rows would win by the dot product.
    rows[60:] *= 20
    folder = write_annotations(tmp_path / "htm")
    (folder / model.stream).mkdir()
    for video in ("a", "b", "gone"):
        torch.save(torch.from_numpy(rows), folder / model.stream / f"{video}.pth.tar")
    features = FeatureReader(load_tables()["feature_index"].frame([]), FeatureStore(tmp_path / "none"), [model.stream])
    found = evaluate_htm_align(folder, model, features, {})

    theirs = open_clip.create_model_from_pretrained(f"local-dir:{weights}", return_transform=False).eval()
    narrations = json.loads((folder / "htm_align.json").read_text()).values()
    sentences = [sentence for narration in narrations for sentence in narration]
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(f"local-dir:{weights}")([text for *_, text in sentences])
        text = theirs.encode_text(tokens, normalize=True).numpy()
    cosine = text @ (rows / np.linalg.norm(rows.astype(np.float32), axis=1, keepdims=True)).T
    shown = [flag for flag, *_ in sentences]
    hits = [
        start <= best <= end for best, (flag, start, end, _) in zip(cosine.argmax(1), sentences, strict=True) if flag
    ]
    assert found.metrics[f"{model.identity}, {WHOLE}"] == pytest.approx(
        {"R@1": np.mean(hits), "ROC-AUC": roc_auc_score(shown, cosine.max(1)), "queries": len(sentences)}
    )


def clips(rows: list[tuple[str, float, float, str]]) -> pl.DataFrame:
    counted = [(video, sum(other[0] == video for other in rows[:place])) for place, (video, *_) in enumerate(rows)]
    return load_tables()["clips"].frame(
        ("0", video, number, start, end, text, text, len(text.split()), *[None] * 5)
        for (video, number), (_, start, end, text) in zip(counted, rows, strict=True)
    )


def test_tracks_are_compared_by_words_time_and_retrieval(features: FeatureReader) -> None:
    durations = pl.DataFrame({"video_id": ["a", "b"], "duration_s": [100.0, 100.0]})
    spoken = [
        (video, 25.0 * i, 25.0 * i + 10, f"now {action}") for video in ("a", "b") for i, action in enumerate(ACTIONS)
    ]
    captions = load_tables()["release_captions"].frame(
        [
            *(
                ("0", "howtocaption", "a", i, 25.0 * i + 5, 25.0 * i + 13, f"now {a}", None, None)
                for i, a in enumerate(ACTIONS)
            ),
            ("0", "howtocaption", "a", 4, 5.0, 13.0, "a potato", None, 0.5),
            ("0", "htm_sentences", "a", 0, 80.0, 95.0, "peel", None, None),
        ]
    )
    tracks = {"source": clips(spoken), **release_clips(captions, durations)}
    study = compare_tracks(tracks, durations, features, Actions())
    rows = {row["caption_source"]: row for row in study.to_dicts()}
    own, of_others, moved = (rows[name] for name in ("source", "howtocaption", "htm_sentences"))
    assert (own["videos"], own["clips"], own["words_per_video"], own["distinct_words"]) == (2, 8, 8, 5)
    assert (own["time_overlap"], own["word_overlap"], own["covered"]) == (1.0, 1.0, pytest.approx(0.4))
    # 4 × 8 s, of which 5 s are in the 4 × 10 s of the own captions.
    assert of_others["time_overlap"] == pytest.approx(20 / 52)
    assert of_others["word_overlap"] == pytest.approx(5 / 7)
    assert of_others["clip_s"] == 8
    # One pair per track: that of the first track is right, that of the last is about another action.
    assert own["pairs"] == of_others["pairs"] == moved["pairs"] == 1
    assert own["similarity"] == pytest.approx(1) and moved["similarity"] == pytest.approx(0)
    assert [axes.get_title() for axes in tracks_figure(study).axes][:2] == ["words per video", "covered"]


def test_time_that_is_covered_twice_counts_once() -> None:
    assert merged([(5, 6), (0, 2), (1, 3), (3, 4)]) == [(0, 4), (5, 6)]
    manifest = pl.DataFrame({"video_id": [f"{i:04d}" for i in range(3000)], "split": ["train", "test", "test"] * 1000})
    assert len(studied_videos(manifest, "test")) == 1000
    assert studied_videos(manifest.head(3), "test") == ["0001", "0002"]


def test_rewritten_captions_move_to_where_the_model_sees_them(features: FeatureReader) -> None:
    captions = load_tables()["rewritten_captions"].frame(
        ("0", video, line, 0, second, text, "llm", "hash")
        for video, line, second, text in (
            ("a", 0, 20, "dice"),  # shown from second 25
            ("a", 1, 40, "serve"),  # shown from second 75, which is too far away
            ("a", 2, 96, "serve"),  # its window would end after the video
            ("a", 3, 10, "something unknown"),
            ("gone", 0, 5, "peel"),
        )
    )
    found = match_captions(captions, features, Actions(), 0.5)
    assert found.select("video_id", "line_index", "start_s", "end_s", "shift_s", "score", "kept").rows() == [
        ("a", 0, 25.0, 33.0, 5.0, 1.0, True),
        ("a", 1, 40.0, 48.0, 0.0, 0.0, False),
        ("a", 2, 92.0, 100.0, -4.0, 1.0, True),
        ("a", 3, None, None, None, None, False),
        ("gone", 0, None, None, None, None, False),
    ]
    assert found["reason"].to_list() == [
        None,
        "similarity below 0.5",
        None,
        "no known word, or no clip within the video",
        "no features",
    ]
    assert match_captions(captions.clear(), features, Actions(), 0.5).is_empty()


@pytest.fixture
def trained(tmp_path: Path) -> dict[str, Any]:
    """Resources of assets: any joint embedding of two streams, and their rows of one video."""
    write_models(tmp_path)
    options = FeatureOptions("resnet152,resnext101_3d")
    rng, store, rows = np.random.default_rng(0), FeatureStore(tmp_path / "features"), []
    for stream, dim in zip(options.streams, (4, 3), strict=True):
        rate = float(options.row_rate(stream))
        count = int(40 * rate)
        vectors = rng.random((count, dim), np.float32).astype(np.float16)
        store.array(stream, "0").append([VideoRows(Source("a", "sha", "x"), np.arange(count) / rate, vectors)])
        rows.append(("0", "a", stream, 0, count, rate, dim, "x", "hash", "ok", None))
    return {
        "feature_index": load_tables()["feature_index"].frame(rows),
        "text_video_index": load_tables()["text_video_index"].frame([]),
        "features": store,
        "feature_options": options,
        "text_video_options": TextVideoOptions(),
        "model_root": tmp_path,
    }


def test_the_assets_measure_the_joint_embedding_of_the_lake(tmp_path: Path, trained: dict[str, Any]) -> None:
    own = clips([("a", 5.0 * i, 5.0 * i + 4, f"word{i}") for i in range(6)])
    captions = load_tables()["release_captions"].frame(
        ("0", "howtocaption", "a", i, 5.0 * i, 5.0 * i + 8, f"word{5 - i}", None, None) for i in range(6)
    )
    manifest = load_tables()["training_manifest"].frame([("a", "0", "test", 0, 6, "hash")])
    videos = pl.DataFrame({"video_id": ["a"], "duration_s": [40.0]})
    context = dg.build_asset_context()
    study = caption_track_study(context, captions.lazy(), own.lazy(), videos.lazy(), manifest, **trained)
    assert study.select("caption_source", "clips", "pairs").rows() == [("source", 6, 6), ("howtocaption", 6, 6)]

    folder = tmp_path / "htm"
    folder.mkdir()
    (folder / "htm_align.json").write_text(json.dumps({"a": [[1, 5.0, 9.0, "word1"], [0, 10.0, 14.0, "word2"]]}))
    lake = Lake(tmp_path / "lake")
    scores = htm_align_evaluation(
        dg.build_asset_context(), lake=lake, htm_align_options=HtmAlignOptions(folder), **trained
    )
    assert set(scores["benchmark"]) == {"HTM-Align"} and len(scores) == 6
    assert {method.partition("@")[0] for method in scores["method"]} == {"joint_embedding", "random second"}

    rewritten = load_tables()["rewritten_captions"].frame([("0", "a", 0, 0, 7, "word3", "llm", "hash")])
    limits = RewritingOptions(min_similarity=-1.0)
    matching = MatchingOptions(second_models=trained["model_root"])
    kept = rewritten_clips(
        dg.build_asset_context(), rewritten, rewriting_options=limits, matching_options=matching, **trained
    )
    assert kept.select("line_index", "kept").rows() == [(0, True)]
    assert kept["end_s"][0] - kept["start_s"][0] == pytest.approx(8)

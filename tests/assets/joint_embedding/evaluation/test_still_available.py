"""Benchmarks on the videos that can still be watched: the same as a benchmark whose files hold only these."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.benchmarks import Files, retrieval_benchmarks
from assets.joint_embedding.evaluation.lake_benchmarks import LakeData
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.evaluation.still_available import SPLIT, Counts, available_rows, known_states
from assets.lake import load_tables
from assets.sources.folder import FolderSource
from assets.sources.synthetic import SyntheticSource
from ml.joint_embedding.benchmarks import EvaluationSet, write_lsmdc, write_msrvtt_test, write_youcook2
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.train import load_words
from tests.assets.joint_embedding.test_alignment import VOCABULARY, write_models

SOURCE = SyntheticSource(tasks=1, videos_per_task=1, seed=0)
FEATURES = FeatureReader(load_tables()["feature_index"].frame([]), FeatureStore(Path("none")), ())
DATA = LakeData(pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), FEATURES)
VIDEOS = ["alive_-0001", "gone_000002", "alive000003", "unknown0004"]
STATES = {VIDEOS[0]: True, VIDEOS[1]: False, VIDEOS[2]: True}
"""Of the videos of the clips; of the fourth one nothing is known."""


def clips(ids: list[str]) -> EvaluationSet:
    rng = np.random.default_rng(0)
    streams = {name: rng.random((len(ids), dim), np.float32) for name, dim in (("2d", 4), ("3d", 3))}
    captions = [VOCABULARY[row % len(VOCABULARY)] for row in range(len(ids))]
    return EvaluationSet("test", "test", ids, streams, captions, np.arange(len(ids)))


def write_files(root: Path, kept: list[int]) -> Path:
    """Benchmarks of some of the videos, of which YouCook2 has three clips each."""
    root.mkdir()
    files = Files(root)
    of_youcook2 = clips([f"{video}_{number}" for video in VIDEOS for number in range(3)])
    write_youcook2(of_youcook2.part(np.array([3 * each + n for each in kept for n in range(3)])), files.youcook2_test)
    of_msrvtt = clips([f"video{number}" for number in range(4)]).part(np.array(kept))
    write_msrvtt_test(of_msrvtt, files.msrvtt_test, files.msrvtt_features)
    write_lsmdc(clips(["film"]), files.lsmdc_test, files.lsmdc_features)
    addresses = [f"https://www.youtube.com/watch?v={video}" for video in VIDEOS]
    addresses[2] = f"https://youtu.be/{VIDEOS[2]}?t=3"
    videos = [{"video_id": f"video{number}", "url": url} for number, url in enumerate(addresses)]
    files.msrvtt_training_captions.write_text(json.dumps({"videos": [*videos, {"video_id": "video9"}, 7]}))
    return root


def test_a_subset_is_measured_like_files_that_hold_only_it(tmp_path: Path) -> None:
    write_models(tmp_path)
    options = BenchmarkOptions(write_files(tmp_path / "all", [0, 1, 2, 3]))
    rows, counts = available_rows(options, SOURCE, DATA, STATES, tmp_path / "s", tmp_path, "cpu", 1)
    assert counts == {"YouCook2": Counts(6, 3, 3), "MSR-VTT 1k-A": Counts(2, 1, 1)}
    model, words = JointEmbedding.from_pretrained(tmp_path / "joint_embedding"), load_words(tmp_path / "word_vectors")
    expected = retrieval_benchmarks(write_files(tmp_path / "part", [0, 2]), model, words)
    found = {(each["benchmark"], each["method"], each["metric"]): each["value"] for each in rows.to_dicts()}
    assert {name for name, *_ in found} == {name for name in expected if not name.startswith("LSMDC")}
    for (benchmark, method, metric), value in found.items():
        assert value == pytest.approx(expected[benchmark][method][metric], nan_ok=True), (benchmark, method, metric)
    assert set(rows["split"]) == {SPLIT} and set(rows["model"]) == {"available_benchmarks"}


def test_nothing_is_measured_where_nothing_is_known(tmp_path: Path) -> None:
    write_models(tmp_path)
    options = BenchmarkOptions(write_files(tmp_path / "all", [0, 1, 2, 3]))
    rows, counts = available_rows(options, SOURCE, DATA, {}, tmp_path / "s", tmp_path, "cpu", 1)
    assert rows.is_empty() and counts["YouCook2"] == Counts(0, 0, 12)
    real = FolderSource(tmp_path, ())
    assert available_rows(BenchmarkOptions(), real, DATA, STATES, tmp_path / "s", tmp_path, "cpu", 1)[0].is_empty()


def test_the_last_answer_counts(tmp_path: Path) -> None:
    def probe(survey: int, video: str, day: int, state: str) -> tuple[object, ...]:
        return (survey, video, datetime(2026, 1, day, tzinfo=UTC), state, None, None)

    table = load_tables()["availability"]
    own = table.frame([probe(1, "a", 1, "available"), probe(2, "a", 2, "removed"), probe(2, "b", 2, "unanswered")])
    table.frame([probe(1, "a", 3, "available"), probe(1, "c", 3, "private")]).write_csv(tmp_path / "availability.csv")
    assert known_states(own, None) == {"a": False}
    assert known_states(own, tmp_path / "availability.csv") == {"a": True, "c": False}
    (tmp_path / "ids.csv").write_text("video_id\na\n")
    with pytest.raises(ValueError, match=r"ids.csv: .*; howto availability LIST FOLDER writes the file"):
        known_states(own, tmp_path / "ids.csv")

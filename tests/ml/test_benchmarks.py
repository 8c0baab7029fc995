"""Benchmark files, written and read, and the protocols on clips whose captions describe them."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.harness import Runtime
from ml.joint_embedding.benchmark_evaluation import evaluate_benchmark, measure
from ml.joint_embedding.benchmarks import (
    BenchmarkPairs,
    EvaluationSet,
    read_lsmdc,
    read_msrvtt,
    read_msrvtt_test,
    read_youcook2,
    write_lsmdc,
    write_msrvtt,
    write_msrvtt_test,
    write_youcook2,
)
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.train import Config
from ml.text.tokens import tokenize
from ml.text.word_vectors import WordVectors

WORDS = [f"{kind}{number}" for kind in ("do", "thing") for number in range(8)]


def words() -> WordVectors:
    return WordVectors(WORDS, np.random.default_rng(5).normal(size=(16, 12)).astype(np.float32))


def clips(count: int, captions_each: int = 1, seed: int = 0) -> EvaluationSet:
    """Clips whose two streams show what is done and to what; a caption names both."""
    rng = np.random.default_rng(seed)
    do, thing = rng.integers(8, size=(2, count))
    looks = np.random.default_rng(9).normal(size=(2, 8, 10))
    streams = {
        stream: (looks[row, shown] + 0.1 * rng.normal(size=(count, 10))).astype(np.float32)
        for row, (stream, shown) in enumerate((("2d", do), ("3d", thing)))
    }
    clip_of_caption = np.repeat(np.arange(count), captions_each)
    captions = [f'"They do{do[c]}, "then" a thing{thing[c]}' for c in clip_of_caption]
    return EvaluationSet(
        "synthetic", "any", [f"v_{seed}_{n}" for n in range(count)], streams, captions, clip_of_caption
    )


def same(a: EvaluationSet, b: EvaluationSet) -> bool:
    return (
        (a.ids, a.captions) == (b.ids, b.captions)
        and np.array_equal(a.clip_of_caption, b.clip_of_caption)
        and all(
            np.array_equal(a.streams[s], b.streams[s]) and a.streams[s].dtype == b.streams[s].dtype for s in a.streams
        )
    )


def test_every_format_is_read_as_written(tmp_path: Path) -> None:
    one, many = clips(7), clips(7, captions_each=3)
    table, features, sentences = tmp_path / "rows.csv", tmp_path / "features.pth", tmp_path / "data.json"
    write_youcook2(one, tmp_path / "val.pkl")
    assert same(read_youcook2(tmp_path / "val.pkl", "val"), one)
    write_msrvtt_test(one, table, features)
    assert same(read_msrvtt_test(table, features), one)
    write_lsmdc(one, table, features)
    assert same(read_lsmdc(table, features, "test"), one)
    write_msrvtt(many, table, sentences, features)
    assert same(read_msrvtt(table, sentences, features, "full"), many)
    with pytest.raises(ValueError, match="v_0_0 has 3 captions"):
        write_lsmdc(many, table, features)


def test_files_as_the_published_code_reads_them(tmp_path: Path) -> None:
    data = clips(3)
    write_youcook2(data, tmp_path / "val.pkl")
    row = pickle.loads((tmp_path / "val.pkl").read_bytes())[1]
    assert set(row) == {"2d", "3d", "caption", "id"} and row["2d"].shape == (10,)
    write_msrvtt_test(data, tmp_path / "test.csv", tmp_path / "f.pth")
    with (tmp_path / "test.csv").open(newline="") as file:
        assert [row["sentence"] for row in csv.DictReader(file)] == data.captions
    stored = torch.load(tmp_path / "f.pth", weights_only=True)
    assert torch.equal(stored["3d"]["v_0_2"], torch.from_numpy(data.streams["3d"][2]))
    write_lsmdc(data, tmp_path / "l.csv", tmp_path / "f.pth")
    with (tmp_path / "l.csv").open(newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert [(row[0], row[5]) for row in rows] == list(zip(data.ids, data.captions, strict=True))
    unit = data.vectors.reshape(3, 2, 10)
    assert np.allclose(np.linalg.norm(unit, axis=2), 1)


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("print('run by a pickle')",)


def test_bad_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harmful = tmp_path / "harmful.pkl"
    harmful.write_bytes(pickle.dumps([Harmful()]))
    with pytest.raises(ValueError, match=r"harmful.pkl.*builtins.eval"):
        read_youcook2(harmful, "val")
    assert not capsys.readouterr().out
    harmful.write_bytes(pickle.dumps([{"2d": np.zeros(3), "caption": "c", "id": "i"}]))
    with pytest.raises(ValueError, match="entry 0"):
        read_youcook2(harmful, "val")
    data = clips(3)
    table, features = tmp_path / "rows.csv", tmp_path / "f.pth"
    write_msrvtt_test(data.part(np.array([0, 1])), table, features)
    write_msrvtt_test(data, table, tmp_path / "all.pth")
    with pytest.raises(ValueError, match="no 2d features of v_0_2"):
        read_msrvtt_test(table, features)
    with pytest.raises(ValueError, match=r"rows.csv:1: 1 tab-separated fields instead of 6"):
        read_lsmdc(table, features, "test")
    (tmp_path / "s.json").write_text(json.dumps({"sentences": [{"video_id": "v_0_0", "caption": "x"}]}))
    with pytest.raises(ValueError, match="no caption of v_0_1"):
        read_msrvtt(table, tmp_path / "s.json", features, "train")
    data.streams["2d"][1, 3] = np.nan
    write_youcook2(data, harmful)
    with pytest.raises(ValueError, match="2d features of v_0_1 are not finite"):
        read_youcook2(harmful, "val")


def test_training_uses_one_caption_per_clip_and_counts_unknown_words() -> None:
    data = clips(4, captions_each=2)
    data.captions[2], data.captions[4], data.captions[5] = "unknown", "", "nothing"
    pairs = BenchmarkPairs(data, words())
    assert pairs.without_words == 3 and pairs.offsets.tolist() == [0, 2, 3, 5]
    vectors, ids = pairs.take(np.array([4, 2]))
    assert np.array_equal(vectors, data.vectors[[3, 1]])
    known = [word for word in tokenize(data.captions[7]) if word in WORDS]
    assert [WORDS[row - 1] for row in ids[0] if row] == known != []


def test_the_three_protocols() -> None:
    torch.manual_seed(0)
    training, test = clips(200, seed=1), clips(40, seed=2)
    config = Config(
        embedding_dim=16, epochs=30, videos_per_batch=50, pairs_per_video=1, learning_rate=3e-3, lr_decay=1.0
    )
    runtime, untrained = Runtime("cpu"), JointEmbedding(20, 12, 16)
    zero_shot = evaluate_benchmark(untrained, None, test, words(), config, runtime)
    scratch = evaluate_benchmark(None, training, test, words(), config, runtime)
    few = training.part(np.arange(30))
    pre_trained = JointEmbedding(20, 12, 16)
    before = {name: value.clone() for name, value in pre_trained.state_dict().items()}
    tuned = evaluate_benchmark(pre_trained, few, test, words(), config, runtime)
    assert all(torch.equal(before[name], value) for name, value in pre_trained.state_dict().items())
    for direction in ("text_to_video", "video_to_text"):
        best, guess = scratch[direction], zero_shot[direction]
        assert best["R@10"] > 0.9 > 0.6 > guess["R@10"]
        assert best["R@10_low"] <= best["R@10"] <= best["R@10_high"]
        assert best["chance_R@10"] == pytest.approx(0.25) and best["queries"] == 40
        assert tuned[direction]["R@10"] > guess["R@10"]


def test_dimensions_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match="clip vectors of 20 numbers, but the model takes 21"):
        measure(JointEmbedding(21, 12, 8), clips(3), words(), "cpu")
    with pytest.raises(ValueError, match="word vectors of 12 numbers, but the model takes 13"):
        measure(JointEmbedding(20, 13, 8), clips(3), words(), "cpu")
    with pytest.raises(ValueError, match="need a pre-trained model, a training set, or both"):
        evaluate_benchmark(None, None, clips(3), words())

"""The synthetic world written in the benchmarks' own files, and every protocol run on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from assets.joint_embedding.evaluation.benchmarks import Files, crosstask_benchmark, retrieval_benchmarks
from assets.joint_embedding.evaluation.synthetic_benchmarks import (
    StreamsOf,
    narrated,
    step_clips,
    write_benchmarks,
    write_crosstask,
)
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.ground_truth import steps_frame
from ml.crosstask.components import Config as ComponentConfig
from ml.crosstask.evaluation import random_split
from ml.crosstask.files import Interval, Task
from ml.harness import Runtime
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.train import Config
from ml.text.tokens import clean, tokenize
from ml.text.word_vectors import WordVectors

SOURCE = SyntheticSource(tasks=6, videos_per_task=5, seed=0)
IDS = [f"synthetic-{number:05d}" for number in range(30)]


def words_of(steps: pl.DataFrame) -> WordVectors:
    texts = [*steps["step_text"], *steps["description"]]
    vocabulary = sorted({word for text in texts for word in tokenize(clean(text))})
    return WordVectors(vocabulary, np.eye(len(vocabulary), dtype=np.float32))


def seen_by(words: WordVectors, steps: pl.DataFrame) -> StreamsOf:
    """Features of two networks that show what a step's text says: things at 1 row a second, actions at 1.5."""
    shown = {str(key[0]): own for key, own in steps.partition_by("video_id", as_dict=True).items()}

    def streams_of(video_id: str) -> Sequence[Stream] | None:
        if video_id not in shown:
            return None
        rng = np.random.default_rng(int(video_id[-5:]))
        found = []
        for rate, column in ((1.0, "shape"), (1.5, "action")):
            rows = 0.05 * rng.random((int((shown[video_id]["end_s"].max() + 4) * rate), words.dim), np.float32)
            for start_s, end_s, said in shown[video_id].select("start_s", "end_s", column).iter_rows():
                known = [words.rows[word] - 1 for word in tokenize(said.lower()) if word in words.rows]
                rows[int(start_s * rate) + 1 : int(end_s * rate), known] += 1
            found.append(Stream(rows, rate))
        return found

    return streams_of


def captions_of(ids: Sequence[str]) -> pl.DataFrame:
    """Clips of the source's own captions."""
    rows = [
        (video_id, line.start_s, line.end_s, clean(line.text))
        for video_id in ids
        for line in SOURCE.captions(video_id).lines
    ]
    return pl.DataFrame(rows, schema=["video_id", "start_s", "end_s", "caption_clean"], orient="row")


@pytest.fixture(scope="module")
def steps() -> pl.DataFrame:
    return steps_frame(SOURCE, IDS)


def test_every_retrieval_benchmark_in_every_mode(tmp_path: Path, steps: pl.DataFrame) -> None:
    words = words_of(steps)
    test_ids = IDS[::5]
    held_out = pl.col("video_id").is_in(test_ids)
    streams_of = seen_by(words, steps)
    training = step_clips(steps.filter(~held_out), streams_of, "train")
    test = step_clips(steps.filter(held_out), streams_of, "test")
    write_benchmarks(tmp_path, training, test)
    torch.manual_seed(0)
    model = JointEmbedding(2 * words.dim, words.dim, 32)
    config = Config(
        embedding_dim=32, epochs=15, videos_per_batch=40, pairs_per_video=1, learning_rate=3e-3, lr_decay=1.0
    )
    found = retrieval_benchmarks(tmp_path, model, words, config, Runtime("cpu"))
    assert len(found) == 8  # four benchmarks, two directions
    for by_method in found.values():
        assert set(by_method) == {"zero-shot", "from scratch", "fine-tuned", "chance"}
        for method in ("from scratch", "fine-tuned"):
            assert by_method[method]["R@10"] > 1.5 * by_method["chance"]["R@10"]
            assert by_method[method]["R@10"] > by_method["zero-shot"]["R@10"]
    assert found["MSR-VTT full, text to video"]["chance"]["queries"] == 2 * len(test.ids)
    with pytest.raises(FileNotFoundError, match="no benchmark file"):
        retrieval_benchmarks(tmp_path / "nowhere", model, words)


def test_one_network_fills_one_stream(steps: pl.DataFrame, tmp_path: Path) -> None:
    streams_of = seen_by(words_of(steps), steps)

    def first_alone(video_id: str) -> Sequence[Stream]:
        streams = streams_of(video_id)
        assert streams is not None
        return streams[:1]

    clips = step_clips(steps, first_alone, "test")
    assert clips.streams["3d"].shape == (len(clips.ids), 0) and clips.vectors.shape[1] == clips.streams["2d"].shape[1]
    write_benchmarks(tmp_path, clips, clips)
    for read in Files(tmp_path).test_sets().values():
        assert np.array_equal(read().vectors, clips.vectors)
    with pytest.raises(ValueError, match="no step of the test videos has features"):
        step_clips(steps, lambda video_id: None, "test")


def test_crosstask_with_all_methods(tmp_path: Path, steps: pl.DataFrame) -> None:
    words = words_of(steps)
    videos = pl.DataFrame({"video_id": IDS, "task_id": [f"synthetic-{int(each[-5:]) // 5}" for each in IDS]})
    with_features = steps.filter(pl.col("video_id") != IDS[1])
    data = write_crosstask(tmp_path, SOURCE, videos, steps, captions_of(IDS), seen_by(words, with_features))
    assert len(data.primary()) == 5 and len(data.related()) == 1 and len(data.validation()) == 5
    video = data.videos()[-6]
    assert data.annotation(video) and data.features(video).shape[1] == 2 * words.dim
    model = JointEmbedding(2 * words.dim, words.dim, 16)
    config = ComponentConfig(learning_rate=0.02, random_epochs=1, epochs=2)
    splits = [random_split(data.videos(), data.primary(), seed, training_videos=2) for seed in range(2)]
    found, left_out = crosstask_benchmark(data, model, words, splits, config)
    assert set(found) == {"zero-shot", "uniform", "weakly supervised"}
    assert all(0 <= metrics["recall_pooled"] <= 1 and metrics["splits"] == 2 for metrics in found.values())
    assert left_out in ({}, {"no features": 1})


def test_narration_allows_a_step_while_half_of_its_words_are_said() -> None:
    task = Task("t", "t", "u", ("cut the striped red circle", "wash the green star"))
    lines = pl.DataFrame(
        {
            "start_s": [1.0, 5.0, 9.0],
            "end_s": [3.0, 8.0, 11.0],
            "caption_clean": ["cut red", "wash circle star", "hello red"],
        }
    )
    assert narrated(task, lines) == [Interval(0, 1.0, 3.0), Interval(1, 5.0, 8.0)]

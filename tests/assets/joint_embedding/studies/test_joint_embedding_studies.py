"""Studies of the joint embedding at the smallest size: each way is trained, measured and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.evaluation.synthetic_benchmarks import step_clips, write_benchmarks
from assets.joint_embedding.studies import backdrops
from assets.joint_embedding.studies.comparisons import (
    label_study,
    negative_study,
    negative_trials,
    positive_trials,
    scale_trials,
    study_figure,
    transfer_study,
)
from assets.joint_embedding.studies.trials import Benchmarks, Setting, compare, text_video_rows
from assets.lake import Lake, load_tables
from assets.models.evaluations import evaluation_rows
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.ground_truth import steps_frame
from ml.distributed import gather
from ml.joint_embedding.loss import max_margin_ranking_loss
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore, Place, StoredPairs
from ml.joint_embedding.pairs import Stream, VideoPairs
from ml.joint_embedding.train import Config, EmbeddingTask, best_of_videos
from ml.text.word_vectors import WordVectors
from orchestration.artifacts.tables import contract_violations

SOURCE = SyntheticSource(tasks=3, videos_per_task=3, seed=0)
IDS = [f"synthetic-{number:05d}" for number in range(9)]
DIM = 6
TINY = Config(embedding_dim=4, epochs=1, videos_per_batch=4, pairs_per_video=4)


@pytest.fixture(scope="module")
def places() -> dict[str, Place]:
    return {}


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory, places: dict[str, Place]) -> Setting:
    """Features that mean nothing, of real steps; pairs of them; the benchmarks' files."""
    root, rng = tmp_path_factory.mktemp("studies"), np.random.default_rng(0)
    steps = steps_frame(SOURCE, IDS)

    def streams_of(video_id: str) -> list[Stream]:
        return [Stream(rng.random((200, DIM), np.float32), 1.0)]

    held_out = pl.col("video_id").is_in(IDS[:3])
    training, test = (step_clips(steps.filter(which), streams_of, "any") for which in (~held_out, held_out))
    write_benchmarks(root / "benchmarks", training, test)
    vocabulary = sorted({word for text in steps["description"] for word in text.lower().split()})
    words = WordVectors(vocabulary, rng.standard_normal((len(vocabulary), 8)).astype(np.float32))
    store, times = PairStore(root / "pairs"), np.arange(4.0)
    vectors = rng.random((4, DIM)).astype(np.float16)
    captions = [" ".join(vocabulary[i : i + 3]) for i in range(4)]
    written = store.write("0", [(i, VideoPairs(times, times + 1, captions, vectors, 0, 0)) for i in IDS], DIM)
    places.update({place.video_id: place for place in written})
    benchmarks = Benchmarks.below(root / "benchmarks", BenchmarkOptions(root, 1), pl.DataFrame())
    return Setting(store, [places[IDS[0]]], words, benchmarks, "cpu", lambda _: None)


def test_each_trial_has_one_row_per_metric(setting: Setting, places: dict[str, Place], tmp_path: Path) -> None:
    training = [places[i] for i in IDS[3:]]
    study = compare("negatives", setting, negative_trials(training, TINY, (0,))[::3])
    assert set(study["share"]) == {0.0, 0.75}
    assert set(study["benchmark"]) == {"YouCook2", "MSR-VTT 1k-A", "MSR-VTT full", "LSMDC"}
    assert study.filter(pl.col("metric") != "median_rank")["value"].is_between(0, 1).all()
    lake = Lake(tmp_path)
    lake.write("joint_embedding_studies", study, "negatives")
    assert not contract_violations(lake, load_tables()["joint_embedding_studies"], "negatives")
    assert len(study_figure(study).axes) == 8


def test_negatives_of_the_same_video_are_compared_with_and_without_a_backdrop(
    setting: Setting, places: dict[str, Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backdrops, "TASKS", 3)
    study = negative_study(setting, [places[i] for i in IDS[3:]], TINY, 8, (0,), tmp_path)
    on_lake, plain, with_backdrop = study.partition_by("method", maintain_order=True)
    assert set(plain["benchmark"]) == set(with_backdrop["benchmark"]) == {"synthetic steps", "CrossTask"}
    assert not set(plain["benchmark"]) & set(on_lake["benchmark"])
    assert set(study["share"]) == {0.0, 0.25, 0.5, 0.75}


def test_a_backdrop_makes_clips_of_a_task_alike_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backdrops, "TASKS", 3)
    closer, named = [], []
    for strength in (0.0, 4.0):
        made, pairs = backdrops.backdrop_setting(strength, tmp_path / f"{strength}", 8, 0, "cpu", print)
        source = StoredPairs(made.store, pairs, made.words)
        one, same, other = (
            source.take(np.arange(*source.offsets[i : i + 2]))[0].astype(float) for i in (0, 1, len(source) - 1)
        )
        closer.append((one @ same.T).mean() - (one @ other.T).mean())
        queries = made.benchmarks.tests["synthetic steps"]
        named.append(" to " in queries.captions[0])
        assert not {clip.rpartition("_")[0] for clip in queries.ids} & {place.video_id for place in pairs}
    assert closer[0] < 0.2 and closer[1] > 0.5, "two videos of one task are closer than two of different tasks"
    assert named == [False, True]


def test_positives_are_the_best_of_each_video_or_random_ones(places: dict[str, Place]) -> None:
    own = torch.tensor([0.1, 0.4, 0.3, 0.2, 0.9, 0.5, 0.7, 0.6])
    assert best_of_videos(own, 4, 0.5).tolist() == [[1, 2], [4, 6]]
    assert best_of_videos(own, 4, 1.0).flatten().tolist() == list(range(8))
    assert best_of_videos(own, 4, 0.01).tolist() == [[1], [4]]
    trials = positive_trials([], TINY, (0,))
    shares = {
        (trial.method, trial.share, trial.config.positive_share, trial.config.pairs_per_video) for trial in trials
    }
    assert {("best of the batch", 0.5, 0.5, 4), ("at random", 0.5, 1.0, 2)} <= shares


def test_learning_from_the_best_pairs_alone_is_the_loss_of_those(setting: Setting, places: dict[str, Place]) -> None:
    pairs = StoredPairs(setting.store, [places[i] for i in IDS[3:]], setting.words)
    config = Config(embedding_dim=4, videos_per_batch=4, pairs_per_video=4, positive_share=0.5)
    task = EmbeddingTask(pairs, None, setting.words, config, torch.device("cpu"))
    (part,) = task.batches(0, 0, 1)
    rows = task.network(part)
    kept = best_of_videos((rows["video"] * rows["text"]).sum(1), 4, 0.5).flatten()
    wanted = max_margin_ranking_loss(rows["text"][kept] @ rows["video"][kept].T, rows["videos"][kept])
    torch.testing.assert_close(task.losses(rows, 0, gather)["loss"], wanted)


def test_the_scale_is_that_of_the_search_ranks() -> None:
    manifest = pl.DataFrame(
        [(f"v{rank}", "train", "0", 0, 1, "h") for rank in range(1, 11)],
        schema=["video_id", "split", "shard", "first_row", "pairs", "pairs_version"],
        orient="row",
    )
    videos = pl.DataFrame({"video_id": [f"v{rank}" for rank in range(1, 11)], "rank": list(range(1, 11))})
    trials = scale_trials(manifest, videos, TINY, (0, 1))
    assert [trial.share for trial in trials[::2]] == [0.1, 0.2, 0.3, 0.5, 1.0]
    assert [place.video_id for place in trials[2].training] == ["v1", "v2"]


def test_labels_and_transfer_learn_from_the_benchmarks(setting: Setting) -> None:
    model = JointEmbedding(DIM, setting.words.dim, 4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    labels = label_study(setting, model, TINY, (0,), (0.5, 1.0))
    assert set(labels["method"]) == {"from scratch", "pre-trained"}
    transfer = transfer_study(setting, model, TINY, (0,))
    assert len(transfer.select("method", "benchmark").unique()) == 4 * 4
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert len(study_figure(labels).axes) == 8


def test_equal_scores_of_seeds_can_be_plotted() -> None:
    value = 31 / 171
    assert pl.Series([value] * 3).mean() < value
    rows = [("positives", "at random", 1.0, seed, "LSMDC", "R@1", value, 171) for seed in range(3)]
    assert len(study_figure(load_tables()["joint_embedding_studies"].frame(rows)).axes) == 1


def test_a_text_video_model_is_a_row_of_an_ablation() -> None:
    scores = {"R@1": 0.25, "R@1_low": 0.1, "median_rank": 3.0, "queries": 8}
    steps = {"recall_pooled": 0.5, "queries": 4}
    given = [
        ("text_video", "YouCook2, text to video (synthetic)", {"s3d@1234": scores, "chance": scores}),
        ("text_video", "YouCook2, video to text (synthetic)", {"s3d@1234": scores}),
        ("text_video", "held-out clips (synthetic), text to video", {"s3d@1234": scores}),
        ("text_video", "CrossTask", {"s3d@1234": steps}),
        ("joint_embedding", "CrossTask", {"s3d@1234": steps}),
    ]
    parts = [evaluation_rows(model, benchmark, "test", by_method, 7) for model, benchmark, by_method in given]
    rows = text_video_rows("transfer", pl.concat(parts))
    assert rows.rows() == [
        ("transfer", "s3d@1234", 1.0, 0, "YouCook2", "R@1", 0.25, 8),
        ("transfer", "s3d@1234", 1.0, 0, "YouCook2", "median_rank", 3.0, 8),
        ("transfer", "s3d@1234", 1.0, 0, "CrossTask", "recall_pooled", 0.5, 4),
    ]

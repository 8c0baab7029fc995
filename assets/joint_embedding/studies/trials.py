"""Trainings and scores that the ablations of the joint embedding share. Imports torch.

See ``comparisons`` for the trainings of each ablation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from assets.joint_embedding.evaluation.benchmarks import Files
from assets.joint_embedding.evaluation.lake_benchmarks import CROSSTASK, crosstask_splits
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.lake import load_tables
from ml.crosstask.evaluation import Split, recall_over_splits, zero_shot
from ml.crosstask.files import CrossTask
from ml.harness import Runtime
from ml.joint_embedding.benchmark_evaluation import measure
from ml.joint_embedding.benchmarks import EvaluationSet
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore, Place, StoredPairs
from ml.joint_embedding.train import Config, train
from ml.text.word_vectors import WordVectors

Subject = Literal["negatives", "positives", "scale", "labels", "transfer", "alignment"]
Progress = Callable[[str], None]
RETRIEVAL = ("R@1", "R@5", "R@10", "median_rank")
RECALLS = ("recall_pooled", "recall_per_video")


@dataclass(frozen=True)
class Benchmarks:
    """The benchmarks of every training: test and training sets by benchmark, and CrossTask with its splits."""

    tests: Mapping[str, EvaluationSet]
    training: Mapping[str, EvaluationSet]
    crosstask: CrossTask | None
    splits: Sequence[Split]

    @staticmethod
    def below(root: Path, options: BenchmarkOptions, manifest: pl.DataFrame) -> Benchmarks:
        """The benchmarks in a folder (``assets.joint_embedding.evaluation.lake_benchmarks.benchmark_root``)."""
        files, crosstask = Files(root), CrossTask(root / CROSSTASK)
        tests = {name: read() for name, read in files.test_sets().items()}
        training = {name: found for name in tests if (found := files.training_set(name)) is not None}
        if not crosstask.exists():
            return Benchmarks(tests, training, None, ())
        return Benchmarks(tests, training, crosstask, crosstask_splits(options, crosstask, manifest))

    def score(self, model: JointEmbedding, words: WordVectors, seed: int) -> Iterator[tuple[str, str, float, int]]:
        """Benchmark, metric, value and number of queries of a model, zero-shot."""
        for name, test in self.tests.items():
            yield from measured(name, measure(model, test, words, "cpu", seed)["text_to_video"], RETRIEVAL)
        if self.crosstask is not None:
            videos = list(dict.fromkeys(video for split in self.splits for video in split.test))
            recalls = recall_over_splits(zero_shot(self.crosstask, videos, model, words), self.splits)
            yield from measured("CrossTask", recalls, RECALLS)


@dataclass(frozen=True)
class Trial:
    """One training from random parameters: its name, the varied share, the pairs and the schedule."""

    method: str
    share: float
    training: Sequence[Place]
    config: Config


@dataclass(frozen=True)
class Setting:
    """The common setting of an ablation: stored pairs, validation videos, word vectors and benchmarks."""

    store: PairStore
    validation: Sequence[Place]
    words: WordVectors
    benchmarks: Benchmarks
    device: str
    progress: Progress


def compare(
    subject: Subject, setting: Setting, trials: Sequence[Trial], store: PairStore | None = None
) -> pl.DataFrame:
    """Train and score each trial: rows of ``joint_embedding_studies``.

    Args:
        store: store of the trials' pairs; by default that of the setting.
    """
    validation = StoredPairs(setting.store, setting.validation, setting.words)
    rows = []
    for trial in trials:
        pairs = StoredPairs(store or setting.store, trial.training, setting.words)
        model, _ = train(pairs, validation, setting.words, trial.config, Runtime(device=setting.device))
        found = list(setting.benchmarks.score(model, setting.words, trial.config.seed))
        rows += [(subject, trial.method, trial.share, trial.config.seed, *each) for each in found]
        setting.progress(format_scores(trial.method, trial.share, trial.config.seed, found))
    return study_frame(rows)


def measured(
    benchmark: str, metrics: Mapping[str, float], names: Sequence[str]
) -> Iterator[tuple[str, str, float, int]]:
    """Benchmark, metric, value and number of queries of the named metrics."""
    for name in names:
        yield benchmark, name, metrics[name], int(metrics["queries"])


def format_scores(method: str, share: float, seed: int, found: Sequence[tuple[str, str, float, int]]) -> str:
    """A log line with the scores of a trial."""
    values = ", ".join(f"{benchmark} {metric} {value:.3f}" for benchmark, metric, value, _ in found)
    return f"{method}, {share:.2f}, seed {seed}: {values}"


def text_video_rows(subject: Subject, evaluations: pl.DataFrame) -> pl.DataFrame:
    """The zero-shot scores of a text-video model as rows of an ablation, to compare with; share 1, seed 0.

    Args:
        evaluations: rows of the table ``evaluations``. Those of ``text_video_evaluation`` on the ablations' benchmarks
            are used; the method is the identity of the model.
    """
    wanted = evaluations.filter(
        (pl.col("model") == "text_video")
        & ~pl.col("method").is_in(["chance", "uniform"])
        & pl.col("metric").is_in([*RETRIEVAL, *RECALLS])
        & ~pl.col("benchmark").str.contains("video to text|^held-out")
    ).with_columns(pl.col("benchmark").str.replace(r"(, text to video)?( \(.*\))?$", ""))
    rows = wanted.select("method", "benchmark", "metric", "value", "queries").iter_rows()
    return study_frame([(subject, method, 1.0, 0, *measured) for method, *measured in rows])


def study_frame(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    """Rows of ``joint_embedding_studies``."""
    return load_tables()["joint_embedding_studies"].frame(rows)

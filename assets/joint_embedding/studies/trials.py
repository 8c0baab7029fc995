"""One training of the joint embedding beside others: what it learns from, and how it is judged. Imports torch.

Belongs here: what all studies of the embedding share. Which trainings each compares is told in ``joint_embedding.py``.
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
    """What every training is measured on: test and training sets by benchmark, and CrossTask with its splits."""

    tests: Mapping[str, EvaluationSet]
    training: Mapping[str, EvaluationSet]
    crosstask: CrossTask | None
    splits: Sequence[Split]

    @staticmethod
    def below(root: Path, options: BenchmarkOptions, manifest: pl.DataFrame) -> Benchmarks:
        """Those below a folder (``assets.joint_embedding.evaluation.lake_benchmarks.benchmark_root``)."""
        files, crosstask = Files(root), CrossTask(root / CROSSTASK)
        tests = {name: read() for name, read in files.test_sets().items()}
        training = {name: found for name in tests if (found := files.training_set(name)) is not None}
        if not crosstask.exists():
            return Benchmarks(tests, training, None, ())
        return Benchmarks(tests, training, crosstask, crosstask_splits(options, crosstask, manifest))

    def judge(self, model: JointEmbedding, words: WordVectors, seed: int) -> Iterator[tuple[str, str, float, int]]:
        """Benchmark, metric, value and queries of a model, zero-shot."""
        for name, test in self.tests.items():
            yield from measured(name, measure(model, test, words, "cpu", seed)["text_to_video"], RETRIEVAL)
        if self.crosstask is not None:
            asked = list(dict.fromkeys(video for split in self.splits for video in split.test))
            recalls = recall_over_splits(zero_shot(self.crosstask, asked, model, words), self.splits)
            yield from measured("CrossTask", recalls, RECALLS)


@dataclass(frozen=True)
class Trial:
    """One training from random parameters: its name, the number that is varied, the pairs and the schedule."""

    method: str
    share: float
    training: Sequence[Place]
    config: Config


@dataclass(frozen=True)
class Setting:
    """What the trainings of a study share: the stored pairs, validation videos, word vectors and benchmarks."""

    store: PairStore
    validation: Sequence[Place]
    words: WordVectors
    benchmarks: Benchmarks
    device: str
    progress: Progress


def compare(
    subject: Subject, setting: Setting, trials: Sequence[Trial], store: PairStore | None = None
) -> pl.DataFrame:
    """Train and judge each: rows of ``joint_embedding_studies``.

    Args:
        store: where the trials' pairs are, if not where those of the setting are.
    """
    validation = StoredPairs(setting.store, setting.validation, setting.words)
    rows = []
    for trial in trials:
        pairs = StoredPairs(store or setting.store, trial.training, setting.words)
        model, _ = train(pairs, validation, setting.words, trial.config, Runtime(device=setting.device))
        found = list(setting.benchmarks.judge(model, setting.words, trial.config.seed))
        rows += [(subject, trial.method, trial.share, trial.config.seed, *each) for each in found]
        setting.progress(told(trial.method, trial.share, trial.config.seed, found))
    return study_frame(rows)


def measured(
    benchmark: str, metrics: Mapping[str, float], names: Sequence[str]
) -> Iterator[tuple[str, str, float, int]]:
    """Benchmark, metric, value and queries of the named metrics."""
    for name in names:
        yield benchmark, name, metrics[name], int(metrics["queries"])


def told(method: str, share: float, seed: int, found: Sequence[tuple[str, str, float, int]]) -> str:
    """A line for the log."""
    values = ", ".join(f"{benchmark} {metric} {value:.3f}" for benchmark, metric, value, _ in found)
    return f"{method}, {share:.2f}, seed {seed}: {values}"


def study_frame(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    """Rows of ``joint_embedding_studies``."""
    return load_tables()["joint_embedding_studies"].frame(rows)

"""Comparing ways to train the joint embedding, on held-out data (HowTo100M section 5). Imports torch.

Belongs here: which trainings are compared, and what is told of each. How one trains and how one measures is
``ml.joint_embedding`` and ``assets.evaluation``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from assets.evaluation.benchmarks import Files
from assets.evaluation.lake_benchmarks import CROSSTASK, LakeData, crosstask_splits
from assets.evaluation.options import BenchmarkOptions
from assets.lake import load_tables
from assets.studies.plots import lines_figure
from assets.training.alignment import align_shard, write_aligned_pairs
from assets.training.embedding import load_joint_embedding
from assets.training.options import EmbeddingOptions
from assets.training.pairs import places
from ml.crosstask.evaluation import Split, recall_over_splits, zero_shot
from ml.crosstask.files import CrossTask
from ml.harness import Runtime
from ml.joint_embedding.benchmark_evaluation import evaluate_benchmark, measure, sizes_of
from ml.joint_embedding.benchmarks import BenchmarkPairs, EvaluationSet
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore, Place, StoredPairs
from ml.joint_embedding.train import Config, load_words, train
from ml.text.word_vectors import WordVectors

Subject = Literal["negatives", "positives", "scale", "labels", "transfer", "alignment"]
Progress = Callable[[str], None]
RETRIEVAL = ("R@1", "R@5", "R@10", "median_rank")
RECALLS = ("recall_pooled", "recall_per_video")
SHARES_OF_LABELS = (0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Benchmarks:
    """What every training is measured on: test and training sets by benchmark, and CrossTask with its splits."""

    tests: Mapping[str, EvaluationSet]
    training: Mapping[str, EvaluationSet]
    crosstask: CrossTask | None
    splits: Sequence[Split]

    @staticmethod
    def below(root: Path, options: BenchmarkOptions, manifest: pl.DataFrame) -> Benchmarks:
        """Those below a folder (``assets.evaluation.lake_benchmarks.benchmark_root``)."""
        files, crosstask = Files(root), CrossTask(root / CROSSTASK)
        tests = {name: read() for name, read in files.test_sets().items()}
        training = {name: found for name in tests if (found := files.training_set(name)) is not None}
        if not crosstask.exists():
            return Benchmarks(tests, training, None, ())
        return Benchmarks(tests, training, crosstask, crosstask_splits(options, crosstask, manifest))

    def judge(self, model: JointEmbedding, words: WordVectors, seed: int) -> Iterator[tuple[str, str, float, int]]:
        """Benchmark, metric, value and queries of a model, zero-shot."""
        for name, test in self.tests.items():
            yield from _measured(name, measure(model, test, words, "cpu", seed)["text_to_video"], RETRIEVAL)
        if self.crosstask is not None:
            asked = list(dict.fromkeys(video for split in self.splits for video in split.test))
            recalls = recall_over_splits(zero_shot(self.crosstask, asked, model, words), self.splits)
            yield from _measured("CrossTask", recalls, RECALLS)


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


def schedule(options: EmbeddingOptions) -> Config:
    """The schedule of the joint embedding in force."""
    return Config(**{name: value for name, value in asdict(options).items() if name in Config.__dataclass_fields__})


def negative_trials(training: Sequence[Place], config: Config, seeds: Sequence[int]) -> list[Trial]:
    """Share of the loss that negatives of the same video have: none, and half and more of it (table 3)."""
    return [
        Trial("intra-video negatives", share, training, replace(config, seed=seed, intra_video_share=share))
        for share in (0.0, 0.25, 0.5, 0.75)
        for seed in seeds
    ]


def positive_trials(training: Sequence[Place], config: Config, seeds: Sequence[int]) -> list[Trial]:
    """The best-scoring share of a video's pairs, and as many at random (tables 8 and 9)."""
    return [
        Trial(method, share, training, replace(config, seed=seed, **chosen))
        for share in (0.2, 0.5, 0.9, 1.0)
        for method, chosen in (
            ("best of the batch", {"positive_share": share}),
            ("at random", {"pairs_per_video": max(1, round(share * config.pairs_per_video))}),
        )
        for seed in seeds
    ]


def scale_trials(manifest: pl.DataFrame, videos: pl.DataFrame, config: Config, seeds: Sequence[int]) -> list[Trial]:
    """The best-ranked search results of each task, from the first alone to all of them (figure 3).

    ``share`` is that of the training videos. The number of steps grows with it, as the epochs stay.
    """
    ranked = manifest.filter(pl.col("split") == "train").join(videos.select("video_id", "rank"), on="video_id")
    most = int(ranked["rank"].cast(pl.Int64).sort()[-1])
    ranks = sorted({int(rank) for rank in np.geomspace(1, most, 5).round()})
    return [
        Trial("by search rank", len(some) / len(ranked), places(some, "train"), replace(config, seed=seed))
        for some in (ranked.filter(pl.col("rank") <= rank) for rank in ranks)
        if len(some)
        for seed in seeds
    ]


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
        setting.progress(_told(trial.method, trial.share, trial.config.seed, found))
    return _frame(rows)


def alignment_study(
    setting: Setting,
    data: LakeData,
    models: Path,
    config: Config,
    seeds: Sequence[int],
    scratch: Path,
) -> pl.DataFrame:
    """Training on captions where they are spoken, and where the trained embedding sees them.

    ``share`` is that of the aligned clips that are kept, those with the best scores.

    Args:
        models: folder of the model folders; it aligns the captions.
        scratch: an empty folder for aligned pairs.
    """
    training = data.manifest.filter(pl.col("split") == "train")
    raw = compare(
        "alignment",
        setting,
        [Trial("as spoken", 1.0, places(training, "train"), replace(config, seed=seed)) for seed in seeds],
    )
    frames = [raw]
    aligned = {shard: _aligned(data, models, training, shard) for shard in sorted(set(training["shard"]))}
    scores = pl.concat(aligned.values())["score"]
    for share in (0.5, 1.0):
        least = float(scores.quantile(1 - share, "lower") or -1.0)
        store = PairStore(scratch / f"{share}")
        kept = [
            place
            for shard, rows in aligned.items()
            for place in write_aligned_pairs(
                rows,
                data.clips.filter(pl.col("video_id").is_in(set(rows["video_id"]))),
                data.feature_index.filter(pl.col("shard") == shard),
                data.features,
                data.streams,
                store,
                shard,
                least,
            )
        ]
        trials = [Trial("aligned", share, kept, replace(config, seed=seed)) for seed in seeds]
        frames.append(compare("alignment", setting, trials, store))
    return pl.concat(frames)


def label_study(
    setting: Setting, model: JointEmbedding, config: Config, seeds: Sequence[int], shares: Sequence[float]
) -> pl.DataFrame:
    """Shares of a benchmark's training clips, learned from scratch and by the pre-trained embedding (figure 4)."""
    rows = []
    for name, training in setting.benchmarks.training.items():
        for share in shares:
            for seed in seeds:
                order = np.random.default_rng(seed).permutation(len(training.ids))
                some = training.part(np.sort(order[: max(2, round(share * len(order)))]))
                for method, start in (("from scratch", None), ("pre-trained", model)):
                    found = _learned(setting, start, some, name, replace(config, seed=seed))
                    rows += [("labels", method, share, seed, *each) for each in found]
                    setting.progress(_told(f"{name}, {method}", share, seed, found))
    return _frame(rows)


def transfer_study(setting: Setting, model: JointEmbedding, config: Config, seeds: Sequence[int]) -> pl.DataFrame:
    """The pre-trained embedding, fine-tuned on each benchmark's training set and measured on each one's test set."""
    rows = []
    for source, training in setting.benchmarks.training.items():
        for seed in seeds:
            pairs, runtime = BenchmarkPairs(training, setting.words), Runtime(device=setting.device)
            sizes = sizes_of(model, replace(config, seed=seed))
            tuned, _ = train(pairs, None, setting.words, sizes, runtime, initial=model.state_dict())
            found = list(setting.benchmarks.judge(tuned, setting.words, seed))
            rows += [("transfer", f"fine-tuned on {source}", 1.0, seed, *each) for each in found]
            setting.progress(_told(f"fine-tuned on {source}", 1.0, seed, found))
    return _frame(rows)


def run_study(
    subject: Subject,
    data: LakeData,
    benchmarks: Benchmarks,
    store: PairStore,
    models: Path,
    options: EmbeddingOptions,
    fine_tuned: Config,
    device: str,
    progress: Progress,
    scratch: Path,
    seeds: Sequence[int],
) -> pl.DataFrame:
    """The study of a subject on what a lake holds: rows of ``joint_embedding_studies``.

    Args:
        models: folder of the model folders; options: schedule of the trainings on pairs.
        fine_tuned: schedule of those on a benchmark.
        scratch: an empty folder.
    """
    words, config = load_words(models / "word_vectors"), schedule(options)
    training = places(data.manifest, "train")
    setting = Setting(store, places(data.manifest, "validation"), words, benchmarks, device, progress)
    match subject:
        case "negatives":
            return compare(subject, setting, negative_trials(training, config, seeds))
        case "positives":
            return compare(subject, setting, positive_trials(training, config, seeds))
        case "scale":
            return compare(subject, setting, scale_trials(data.manifest, data.videos, config, seeds))
        case "alignment":
            return alignment_study(setting, data, models, config, seeds, scratch)
        case "labels":
            model = load_joint_embedding(models / "joint_embedding")
            return label_study(setting, model, fine_tuned, seeds, SHARES_OF_LABELS)
        case "transfer":
            return transfer_study(setting, load_joint_embedding(models / "joint_embedding"), fine_tuned, seeds)


def study_figure(study: pl.DataFrame) -> Figure:
    """R@10 and step recall by the number that is varied, a panel a benchmark."""
    told = study.filter(pl.col("metric").is_in(["R@10", "recall_per_video"]))
    told = told.with_columns(pl.format("{} {}", "benchmark", "metric").alias("measured"))
    panels = told["measured"].unique(maintain_order=True).to_list()
    wide = told.pivot("measured", index=["method", "share", "seed"], values="value")
    return lines_figure(wide, "share", panels, ("method",))


def _aligned(data: LakeData, models: Path, training: pl.DataFrame, shard: str) -> pl.DataFrame:
    own = set(training.filter(pl.col("shard") == shard)["video_id"])
    rows, _ = align_shard(
        data.clips.filter(pl.col("video_id").is_in(own)),
        data.feature_index.filter(pl.col("shard") == shard),
        data.features,
        data.streams,
        models / "joint_embedding",
        models / "word_vectors",
        shard,
    )
    return rows


def _learned(
    setting: Setting, start: JointEmbedding | None, training: EvaluationSet, target: str, config: Config
) -> list[tuple[str, str, float, int]]:
    test = setting.benchmarks.tests[target]
    metrics = evaluate_benchmark(start, training, test, setting.words, config, Runtime(device=setting.device))
    return list(_measured(target, metrics["text_to_video"], RETRIEVAL))


def _measured(
    benchmark: str, metrics: Mapping[str, float], names: Sequence[str]
) -> Iterator[tuple[str, str, float, int]]:
    for name in names:
        yield benchmark, name, metrics[name], int(metrics["queries"])


def _told(method: str, share: float, seed: int, found: Sequence[tuple[str, str, float, int]]) -> str:
    values = ", ".join(f"{benchmark} {metric} {value:.3f}" for benchmark, metric, value, _ in found)
    return f"{method}, {share:.2f}, seed {seed}: {values}"


def _frame(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    return load_tables()["joint_embedding_studies"].frame(rows)

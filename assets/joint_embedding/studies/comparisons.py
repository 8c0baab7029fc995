"""Ablations of the joint embedding on held-out data (HowTo100M section 5). Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from assets.joint_embedding.alignment import align_shard, write_aligned_pairs
from assets.joint_embedding.evaluation.lake_benchmarks import LakeData
from assets.joint_embedding.options import EmbeddingOptions
from assets.joint_embedding.pairs import places
from assets.joint_embedding.studies.backdrops import backdrop_setting
from assets.joint_embedding.studies.trials import (
    RETRIEVAL,
    Benchmarks,
    Progress,
    Setting,
    Subject,
    Trial,
    compare,
    format_scores,
    measured,
    study_frame,
)
from assets.joint_embedding.text_video import load_joint_embedding
from assets.models.study_plots import lines_figure
from ml.harness import Runtime
from ml.joint_embedding.benchmark_evaluation import evaluate_benchmark, sizes_of
from ml.joint_embedding.benchmarks import BenchmarkPairs, EvaluationSet
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore, Place
from ml.joint_embedding.train import Config, load_words, train

SHARES_OF_LABELS = (0.1, 0.2, 0.5, 1.0)
PUBLISHED_RANKS = (2, 3, 5, 10, 20, 40, 80)
"""Highest search ranks of the paper's subsets, apart from the complete set."""
BACKDROPS = (0.0, 4.0)
"""Weights of the backdrop in the features, relative to 1 for each object of a step."""


def schedule(options: EmbeddingOptions) -> Config:
    """The configured schedule of the joint embedding."""
    return Config(**{name: value for name, value in asdict(options).items() if name in Config.__dataclass_fields__})


def negative_trials(
    training: Sequence[Place], config: Config, seeds: Sequence[int], method: str = "intra-video negatives"
) -> list[Trial]:
    """Loss shares of negatives of the same video (table 3)."""
    return [
        Trial(method, share, training, replace(config, seed=seed, intra_video_share=share))
        for share in (0.0, 0.25, 0.5, 0.75)
        for seed in seeds
    ]


def positive_trials(training: Sequence[Place], config: Config, seeds: Sequence[int]) -> list[Trial]:
    """The best-scoring share of a video's pairs, and as many random pairs (tables 8 and 9)."""
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
    """The best-ranked search results of each task: the first one, the published subsets, all (figure 3).

    ``share`` is the share of the training videos. The number of steps grows with it; the number of epochs is fixed.
    """
    ranked = manifest.filter(pl.col("split") == "train").join(videos.select("video_id", "rank"), on="video_id")
    most = int(ranked["rank"].cast(pl.Int64).sort()[-1])
    ranks = sorted({1, most, *(rank for rank in PUBLISHED_RANKS if rank < most)})
    return [
        Trial("by search rank", len(some) / len(ranked), places(some, "train"), replace(config, seed=seed))
        for some in (ranked.filter(pl.col("rank") <= rank) for rank in ranks)
        if len(some)
        for seed in seeds
    ]


def negative_study(
    setting: Setting, training: Sequence[Place], config: Config, word_dim: int, seeds: Sequence[int], scratch: Path
) -> pl.DataFrame:
    """Negatives of the same video, on the lake's pairs and on synthetic videos with and without a backdrop.

    Args:
        scratch: an empty folder for the synthetic videos' pairs.
    """
    frames = [compare("negatives", setting, negative_trials(training, config, seeds))]
    for strength in BACKDROPS:
        root, device, progress = scratch / f"{strength}", setting.device, setting.progress
        other, pairs = backdrop_setting(strength, root, word_dim, config.seed, device, progress)
        trials = negative_trials(pairs, config, seeds, f"intra-video negatives, backdrop {strength:g}")
        frames.append(compare("negatives", other, trials))
    return pl.concat(frames)


def alignment_study(
    setting: Setting,
    data: LakeData,
    models: Path,
    config: Config,
    seeds: Sequence[int],
    scratch: Path,
) -> pl.DataFrame:
    """Training on captions at their spoken time, and at the window that the trained embedding matches best.

    ``share`` is the share of the aligned clips that are kept, those with the best scores.

    Args:
        models: folder of the model folders; the joint embedding in it aligns the captions.
        scratch: an empty folder for aligned pairs.
    """
    training = data.manifest.filter(pl.col("split") == "train")
    raw = compare(
        "alignment",
        setting,
        [Trial("as spoken", 1.0, places(training, "train"), replace(config, seed=seed)) for seed in seeds],
    )
    frames = [raw]
    shards = sorted(set(training["shard"]))
    aligned = {shard: _aligned(data, models, setting.device, training, shard) for shard in shards}
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
                data.features,
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
    """Training from scratch and fine-tuning on shares of each benchmark's training clips (figure 4)."""
    rows = []
    for name, training in setting.benchmarks.training.items():
        for share in shares:
            for seed in seeds:
                order = np.random.default_rng(seed).permutation(len(training.ids))
                some = training.part(np.sort(order[: max(2, round(share * len(order)))]))
                for method, start in (("from scratch", None), ("pre-trained", model)):
                    found = _trained_scores(setting, start, some, name, replace(config, seed=seed))
                    rows += [("labels", method, share, seed, *each) for each in found]
                    setting.progress(format_scores(f"{name}, {method}", share, seed, found))
    return study_frame(rows)


def transfer_study(setting: Setting, model: JointEmbedding, config: Config, seeds: Sequence[int]) -> pl.DataFrame:
    """Fine-tuning on each benchmark's training set, with evaluation on every benchmark's test set."""
    rows = []
    for source, training in setting.benchmarks.training.items():
        for seed in seeds:
            pairs, runtime = BenchmarkPairs(training, setting.words), Runtime(device=setting.device)
            sizes = sizes_of(model, replace(config, seed=seed))
            tuned, _ = train(pairs, None, setting.words, sizes, runtime, initial=model.state_dict())
            found = list(setting.benchmarks.score(tuned, setting.words, seed))
            rows += [("transfer", f"fine-tuned on {source}", 1.0, seed, *each) for each in found]
            setting.progress(format_scores(f"fine-tuned on {source}", 1.0, seed, found))
    return study_frame(rows)


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
    """The ablation of a subject on the data of a lake: rows of ``joint_embedding_studies``.

    Args:
        models: folder of the model folders.
        options: schedule of the trainings on pairs.
        fine_tuned: schedule of the trainings on a benchmark.
        scratch: an empty folder.
    """
    words, config = load_words(models / "word_vectors"), schedule(options)
    training = places(data.manifest, "train")
    setting = Setting(store, places(data.manifest, "validation"), words, benchmarks, device, progress)
    match subject:
        case "negatives":
            return negative_study(setting, training, config, options.word_dim, seeds, scratch)
        case "positives":
            return compare(subject, setting, positive_trials(training, config, seeds))
        case "scale":
            return compare(subject, setting, scale_trials(data.manifest, data.videos, config, seeds))
        case "alignment":
            return alignment_study(setting, data, models, config, seeds, scratch)
        case "labels":
            model = JointEmbedding.from_pretrained(models / "joint_embedding")
            return label_study(setting, model, fine_tuned, seeds, SHARES_OF_LABELS)
        case "transfer":
            return transfer_study(
                setting, JointEmbedding.from_pretrained(models / "joint_embedding"), fine_tuned, seeds
            )


def study_figure(study: pl.DataFrame) -> Figure:
    """R@1, R@10 and step recall against the varied share, one panel per benchmark and metric."""
    shown = study.filter(pl.col("metric").is_in(["R@1", "R@10", "recall_per_video"]))
    shown = shown.with_columns(pl.format("{} {}", "benchmark", "metric").alias("measured"))
    panels = shown["measured"].unique(maintain_order=True).to_list()
    wide = shown.pivot("measured", index=["method", "share", "seed"], values="value")
    return lines_figure(wide, "share", panels, ("method",))


def _aligned(data: LakeData, models: Path, device: str, training: pl.DataFrame, shard: str) -> pl.DataFrame:
    own = set(training.filter(pl.col("shard") == shard)["video_id"])
    spoken = data.clips.filter(pl.col("video_id").is_in(own))
    rows, _ = align_shard(spoken, data.features, load_joint_embedding(models, device), shard)
    return rows


def _trained_scores(
    setting: Setting, start: JointEmbedding | None, training: EvaluationSet, target: str, config: Config
) -> list[tuple[str, str, float, int]]:
    test = setting.benchmarks.tests[target]
    metrics = evaluate_benchmark(start, training, test, setting.words, config, Runtime(device=setting.device))
    return list(measured(target, metrics["text_to_video"], RETRIEVAL))

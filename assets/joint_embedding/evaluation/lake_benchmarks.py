"""The benchmarks of a lake: those of the configured folder, or files made from the synthetic world. Imports torch.

See ``assets.joint_embedding.evaluation.benchmarks`` for the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import polars as pl

from assets.features.reader import FeatureReader
from assets.joint_embedding.evaluation.benchmarks import ByMethod, Files, crosstask_benchmark, retrieval_benchmarks
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.evaluation.synthetic_benchmarks import step_clips, write_benchmarks, write_crosstask
from assets.joint_embedding.options import EmbeddingOptions
from assets.joint_embedding.pairs import video_streams
from assets.models.evaluations import evaluation_rows
from assets.sources.protocol import VideoSource
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.ground_truth import steps_frame, task_steps
from ml.crosstask.components import Config as ComponentConfig
from ml.crosstask.evaluation import Split, published_splits
from ml.crosstask.files import CrossTask
from ml.curves import tensorboard_folder
from ml.harness import Runtime
from ml.joint_embedding.benchmark_evaluation import FINE_TUNING
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.train import Config, load_words

PART = "joint_embedding_benchmarks"
CROSSTASK = "crosstask"
"""Folder of CrossTask's files in the folder of the benchmarks."""


@dataclass(frozen=True)
class LakeData:
    """The parts of a lake that benchmarks are made from: whole tables, and the reader of the features.

    The reader's streams are those that models are trained on, in that order.
    """

    manifest: pl.DataFrame
    videos: pl.DataFrame
    clips: pl.DataFrame
    features: FeatureReader

    def streams_of(self, video_id: str) -> Sequence[Stream] | None:
        """The feature rows of a video in each stream; None if some stream has none."""
        return video_streams(self.features, video_id)


def caption_lines(clips: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """The columns of ``clips`` that benchmarks use."""
    return clips.select("video_id", "start_s", "end_s", "caption_clean").pl()


def benchmark_root(options: BenchmarkOptions, source: VideoSource, data: LakeData, scratch: Path) -> Path | None:
    """Folder of the benchmarks' files: that of the options, or ``scratch``, filled from the synthetic world.

    Features of raw videos must exist (``assets.joint_embedding.evaluation.raw_videos``). Synthetic test sets consist of
    videos of the test split, training sets of all others. None if no folder is configured and the videos are real.
    """
    if options.files is not None:
        return options.files
    if not isinstance(source, SyntheticSource):
        return None
    usable = data.manifest["video_id"].to_list()
    steps = steps_frame(source, usable)
    held_out = pl.col("video_id").is_in(of_split(data.manifest, "test"))
    training = step_clips(steps.filter(~held_out), data.streams_of, "train")
    write_benchmarks(scratch, training, step_clips(steps.filter(held_out), data.streams_of, "test"))
    synthetic_crosstask(scratch, source, data, steps)
    return scratch


def synthetic_crosstask(root: Path, source: SyntheticSource, data: LakeData, steps: pl.DataFrame) -> CrossTask:
    """CrossTask's files of the usable videos that show their task, below ``root``; ``steps``: their steps."""
    usable = data.manifest["video_id"].to_list()
    found_for = data.videos.filter(pl.col("video_id").is_in(usable)).select("video_id", "task_id")
    videos = of_their_task(source, found_for, steps)
    return write_crosstask(root / CROSSTASK, source, videos, steps, data.clips, data.streams_of)


def of_their_task(source: SyntheticSource, videos: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """The videos that show the task whose search found them; a search also finds videos of other tasks.

    Args:
        videos: video_id and task_id.
        steps: rows of ``synthetic_steps``.
    """
    wanted = pl.DataFrame(
        [
            (task_id, step.step_index, step.step_text)
            for task_id in sorted(set(videos["task_id"]))
            for step in task_steps(source, task_id)
        ],
        schema=["task_id", "step_index", "step_text"],
        orient="row",
    )
    shown = steps.join(videos, on="video_id")
    foreign = shown.join(wanted, on=["task_id", "step_index", "step_text"], how="anti")
    return videos.filter(
        pl.col("video_id").is_in(set(shown["video_id"])) & ~pl.col("video_id").is_in(set(foreign["video_id"]))
    )


def crosstask_splits(options: BenchmarkOptions, data: CrossTask, manifest: pl.DataFrame) -> list[Split]:
    """The published 20 random splits; for synthetic videos one split, whose test videos are no training videos."""
    if options.root is not None:
        return published_splits(data)
    held_out, primary = set(of_split(manifest, "test")), data.primary()
    videos = data.videos()
    return [
        Split(
            [video for video in videos if video.video_id not in held_out],
            [video for video in videos if video.video_id in held_out and video.task_id in primary],
        )
    ]


def benchmark_rows(
    options: BenchmarkOptions,
    sizes: EmbeddingOptions,
    source: VideoSource,
    data: LakeData,
    scratch: Path,
    model_root: Path,
    device: str,
    snapshot: int,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows of ``evaluations`` of all benchmarks whose files exist, and counts of excluded CrossTask videos, by reason.

    Args:
        sizes: size of a model that is trained on a benchmark alone, and the learning rate of all trainings.
    """
    root = benchmark_root(options, source, data, scratch)
    found: dict[str, ByMethod] = {}
    left_out: dict[str, int] = {}
    if root is not None:
        model, words = (
            JointEmbedding.from_pretrained(model_root / "joint_embedding"),
            load_words(model_root / "word_vectors"),
        )
        runtime = Runtime(device=device, tensorboard=tensorboard_folder(model_root / PART))
        if Files(root).test_sets():
            found |= retrieval_benchmarks(root, model, words, fine_tuning(options, sizes), runtime)
        crosstask = CrossTask(root / CROSSTASK)
        if crosstask.exists():
            splits = crosstask_splits(options, crosstask, data.manifest)
            found["CrossTask"], left_out = crosstask_benchmark(crosstask, model, words, splits, device=device)
    return _rows(PART, options, source, found, snapshot), left_out


def weakly_supervised_rows(
    options: BenchmarkOptions,
    source: VideoSource,
    data: LakeData,
    scratch: Path,
    model_root: Path,
    device: str,
    snapshot: int,
) -> pl.DataFrame:
    """Rows of ``evaluations`` of CrossTask's component model and of the zero-shot embedding, on the same splits."""
    root = benchmark_root(options, source, data, scratch)
    crosstask = CrossTask((root or scratch) / CROSSTASK)
    found: dict[str, ByMethod] = {}
    if crosstask.exists():
        model, words = (
            JointEmbedding.from_pretrained(model_root / "joint_embedding"),
            load_words(model_root / "word_vectors"),
        )
        splits = crosstask_splits(options, crosstask, data.manifest)
        curves = tensorboard_folder(model_root / "crosstask_components")
        found["CrossTask"], _ = crosstask_benchmark(crosstask, model, words, splits, ComponentConfig(), curves, device)
    return _rows("crosstask_components", options, source, found, snapshot)


def fine_tuning(options: BenchmarkOptions, sizes: EmbeddingOptions) -> Config:
    """The published schedule with the configured epochs and sizes."""
    return replace(
        FINE_TUNING,
        seed=sizes.seed,
        embedding_dim=sizes.embedding_dim,
        epochs=options.epochs,
        learning_rate=sizes.learning_rate,
    )


def _rows(
    part: str, options: BenchmarkOptions, source: VideoSource, found: Mapping[str, ByMethod], snapshot: int
) -> pl.DataFrame:
    made_of = "" if options.root else f" ({source.name})"
    none = evaluation_rows(part, "", "", {}, snapshot)
    return pl.concat(
        [none, *(evaluation_rows(part, name + made_of, "test", by, snapshot) for name, by in found.items())]
    )


def of_split(manifest: pl.DataFrame, split: str) -> list[str]:
    """Ids of the videos of a split."""
    return manifest.filter(pl.col("split") == split)["video_id"].to_list()

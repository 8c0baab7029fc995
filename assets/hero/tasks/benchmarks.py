"""Fine-tuning of HERO on its benchmarks: from a folder of published files, or from the lake's synthetic videos.

See ``ml.hero.downstream`` for the tasks. Imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from assets.features.reader import FeatureReader
from assets.hero.clips import pooled_frames
from assets.hero.options import TASKS, HeroOptions, HeroTaskOptions
from assets.models.evaluations import evaluation_rows
from assets.models.folder import model_version
from assets.models.options import RuntimeOptions
from assets.sources.protocol import VideoSource
from assets.sources.synthetic import SyntheticSource
from ml.curves import tensorboard_folder
from ml.harness import Runtime
from ml.hero.data.features import write_npz
from ml.hero.data.subtitles import Line, write_subtitles
from ml.hero.downstream.benchmarks import BENCHMARKS, FEATURES, SUBTITLES, Benchmark
from ml.hero.downstream.finetune import PRESETS, Settings
from ml.hero.downstream.job import PRE_TRAINED, Job
from ml.training import ModelFolder

_TRAINING_FIELDS = ("epoch", "loss", "learning_rate", "seconds", "items_per_s")
LEAST_BATCH = 4


@dataclass(frozen=True)
class LakeTables:
    """What the lake holds of its videos: rows of ``clips``, and the reader of the features."""

    clips: pl.DataFrame
    features: FeatureReader


def fine_tuning_job(
    name: str,
    tables: LakeTables,
    source: VideoSource,
    options: HeroOptions,
    task_options: HeroTaskOptions,
    runtime: RuntimeOptions,
    models: Path,
    scratch: Path,
    provenance: Mapping[str, Any],
) -> Job | None:
    """The fine-tuning on a benchmark; None if the files of the benchmark do not exist.

    An interrupted job continues from its last checkpoint.

    Args:
        models: folder that holds the model folders of HERO and its vocabulary, and gets ``hero_<name>``.
        scratch: an empty folder for the files of the synthetic world, which the job reads.
    """
    benchmark = BENCHMARKS[name]
    folder = task_options.benchmarks or synthetic_files(source, tables, benchmark.interval_s, scratch)
    if folder is None or not benchmark.exists(folder):
        return None
    output, content = models / f"hero_{name}", str(model_version(models / "hero"))
    origin = "published files" if task_options.benchmarks else source.name
    return Job(
        output=output,
        hero=models / "hero",
        tokenizer=models / "hero_tokenizer",
        benchmark=name,
        data=folder,
        content=content,
        settings=schedule(benchmark, options, task_options.steps),
        runtime=Runtime(
            device=runtime.device,
            precision=runtime.precision,
            compile=runtime.compile,
            part_tokens=runtime.part_tokens,
            checkpoints=output.with_name(f".{output.name}.checkpoints"),
            tensorboard=tensorboard_folder(output),
        ),
        provenance={**provenance, "hero": content, "annotations": origin},
    )


def evaluations(name: str, model: ModelFolder) -> pl.DataFrame:
    """Rows of ``evaluations`` of the fine-tuned model in a folder."""
    metrics = dict(model.metrics)
    methods = {PRE_TRAINED: metrics.pop(PRE_TRAINED)} if PRE_TRAINED in metrics else {}
    methods["fine-tuned"] = {key: value for key, value in metrics.items() if key not in _TRAINING_FIELDS}
    queries = model.inputs["examples"]["validation"]
    by_method = {method: {**measured, "queries": queries} for method, measured in methods.items()}
    benchmark, snapshot = f"{TASKS[name]} ({model.inputs['annotations']})", model.inputs["lake_snapshot"]
    return evaluation_rows(f"hero_{name}", benchmark, "val", by_method, snapshot)


def synthetic_files(source: VideoSource, tables: LakeTables, interval_s: float, scratch: Path) -> Path | None:
    """Write the synthetic world's annotations of the lake's videos, and what the lake has of these, as published files.

    Returns:
        ``scratch``; None for another source.
    """
    if not isinstance(source, SyntheticSource):
        return None
    from assets.sources.synthetic.annotations import write_annotations

    write_annotations(source, sorted(set(tables.clips["video_id"])), scratch)
    spoken = tables.clips.sort("start_s").select("video_id", "start_s", "end_s", "caption")
    lines: dict[str, list[Line]] = {}
    for video_id, *line in spoken.iter_rows():
        lines.setdefault(video_id, []).append(Line(*line))
    write_subtitles(scratch / SUBTITLES, lines)
    found = ((video_id, tables.features.read(video_id)) for video_id in tables.features.video_ids)
    write_npz(
        scratch / FEATURES, ((video_id, pooled_frames(streams, interval_s)) for video_id, streams in found if streams)
    )
    return scratch


def schedule(benchmark: Benchmark, options: HeroOptions, steps: int) -> Settings:
    """The published schedule for size paper; otherwise ``steps``, and a batch scaled as published."""
    published = PRESETS[benchmark.settings]
    if options.preset == "paper":
        return replace(published, seed=options.seed)
    return Settings(
        learning_rate=options.learning_rate,
        steps=steps,
        warm_up=steps // 10,
        batch=max(LEAST_BATCH, options.batch * published.batch // PRESETS["tvr"].batch),
        validate_every=-(-steps // 2),
        seed=options.seed,
    )

"""HERO's vocabulary and pre-training on the lake's clips. Imports torch.

See ``ml.hero`` for the model and its training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from assets.hero.clips import places
from assets.hero.options import HeroOptions
from assets.lake import Lake
from assets.models.options import RuntimeOptions
from ml.curves import tensorboard_folder
from ml.harness import Runtime
from ml.hero.clip_store import ClipStore
from ml.hero.config import PRESETS
from ml.hero.pretraining.job import Job
from ml.hero.pretraining.train import PAPER, Settings, TaskName
from ml.hero.ranking import LossSettings
from ml.hero.tokenizer import published, trained

WARM_UP_SHARE = 0.1
VALIDATIONS = 8
"""Number of validations in a training."""
SHARES_OF_SMALL: dict[TaskName, float] = {"mlm": 1, "mnce": 1, "fom": 1, "vsm": 3}
"""Shares of the tasks in a small training; matching needs some hundred steps before it improves."""


def write_tokenizer(
    folder: Path, lake: Lake, manifest: pl.DataFrame, options: HeroOptions, provenance: Mapping[str, Any]
) -> dict[str, float]:
    """Write the vocabulary as a model folder: the published one, or one trained on the clips' captions."""
    if options.vocabulary is not None:
        tokenizer = published(options.vocabulary / "vocab.json", options.vocabulary / "merges.txt")
    else:
        captions = lake.read("clips").pl(lazy=True).select("video_id", "clip_index", "caption")
        own = captions.join(manifest.lazy().select("video_id").unique(), on="video_id", how="semi")
        texts = own.sort("video_id", "clip_index").collect()["caption"]
        tokenizer = trained(texts.to_list(), PRESETS[options.preset].vocabulary)
    tokenizer.write(folder, provenance)
    return {"tokens": len(tokenizer)}


def pretraining_job(
    folder: Path,
    tokenizer: Path,
    clips: ClipStore,
    manifest: pl.DataFrame,
    options: HeroOptions,
    runtime: RuntimeOptions,
    provenance: Mapping[str, Any],
) -> Job:
    """The pre-training job. An interrupted job continues from its last checkpoint.

    Args:
        folder: model folder to write.
        tokenizer: model folder of the vocabulary.
    """
    return Job(
        output=folder,
        tokenizer=tokenizer,
        clips=str(clips.root),
        training=places(manifest.filter(split="train")),
        validation=places(manifest.filter(split="validation")),
        config=PRESETS[options.preset],
        settings=settings(options),
        runtime=Runtime(
            device=runtime.device,
            precision=runtime.precision,
            compile=runtime.compile,
            workers=runtime.workers,
            part_tokens=runtime.part_tokens,
            checkpoints=folder.with_name(f".{folder.name}.checkpoints"),
            tensorboard=tensorboard_folder(folder),
        ),
        provenance=dict(provenance),
        initial=options.initial,
    )


def settings(options: HeroOptions) -> Settings:
    """The training schedule; size paper uses hard negatives after a fifth of the steps, as published."""
    paper = options.preset == "paper"
    return Settings(
        PAPER.shares if paper else SHARES_OF_SMALL,
        steps=options.steps,
        warm_up=int(WARM_UP_SHARE * options.steps),
        batch=options.batch,
        learning_rate=options.learning_rate,
        matching=replace(PAPER.matching, hard_from=options.steps // 5)
        if paper
        else LossSettings(hard_from=options.steps),
        validate_every=-(-options.steps // VALIDATIONS),
        seed=options.seed,
        as_published=options.as_published,
    )

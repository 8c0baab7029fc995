"""Options of HERO, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from assets.contents import Contents
from assets.models.folder import model_version
from assets.options import ContentOf, ExistingFolder, Options, Seed, Variable

VOCABULARY_FILES = ("vocab.json", "merges.txt")
"""Files of RoBERTa's byte-level BPE vocabulary."""


@dataclass(frozen=True)
class HeroClipOptions(Options):
    """Videos are cut into clips of ``clip_s`` seconds, with one frame per ``interval_s`` (HERO paper: 60 s and 2 s)."""

    group: ClassVar = "HERO"
    prefix: ClassVar = "hero_"

    clip_s: Annotated[float, Field(gt=0, description="seconds per clip")] = 60.0
    interval_s: Annotated[float, Field(gt=0, description="seconds between two frames")] = 2.0


def _must_hold_vocabulary(folder: Path | None) -> Path | None:
    missing = [name for name in VOCABULARY_FILES if folder and not (folder / name).is_file()]
    if missing:
        raise ValueError(f"no {' and no '.join(missing)} in this folder")
    return folder


def _must_be_model(folder: Path | None) -> Path | None:
    if folder and model_version(folder) is None:
        raise ValueError("no model folder; howto convert hero makes one")
    return folder


def _vocabulary_version(folder: Path, contents: Contents) -> Any:
    return [contents.version(folder / name) for name in VOCABULARY_FILES]


def _initial_version(folder: Path, contents: Contents) -> Any:
    return model_version(folder)


@dataclass(frozen=True)
class HeroOptions(Options):
    """Size and schedule of HERO. The preset ``paper`` also selects the published treatment of false negatives.

    ``vocabulary`` is a folder of ``vocab.json`` and ``merges.txt``; without one a vocabulary of the preset's size is
    trained. ``initial`` is a model folder to start from.
    """

    group: ClassVar = "HERO"
    prefix: ClassVar = "hero_"

    seed: Seed = 0
    preset: Annotated[
        Literal["paper", "small"],
        Variable("hero_size"),
        Field(description="size of HERO: paper has the published 121 million parameters, small is for a laptop"),
    ] = "small"
    steps: Annotated[int, Field(ge=2, description="steps of pre-training")] = 400
    batch: Annotated[int, Field(ge=2, description="clips per step of pre-training, over all processes")] = 16
    learning_rate: Annotated[float, Field(gt=0, description="highest step size of pre-training")] = 1e-3
    vocabulary: Annotated[
        ExistingFolder | None,
        AfterValidator(_must_hold_vocabulary),
        ContentOf(_vocabulary_version),
        Field(description="folder of RoBERTa's vocab.json and merges.txt; not set: learned from the captions"),
    ] = None
    initial: Annotated[
        ExistingFolder | None,
        AfterValidator(_must_be_model),
        ContentOf(_initial_version),
        Field(description="model folder to start from, made by howto convert hero; not set: random parameters"),
    ] = None
    as_published: Annotated[
        bool, Field(description="start and weigh losses as the published code of pre-training does")
    ] = False


@dataclass(frozen=True)
class HeroTaskOptions(Options):
    """The fine-tuning of HERO on its benchmarks, whose files are in the folder ``benchmarks``."""

    group: ClassVar = "HERO"
    prefix: ClassVar = "hero_"

    steps: Annotated[
        int,
        Variable("hero_fine_tuning_steps"),
        Field(ge=2, description="steps of the fine-tuning on each benchmark"),
    ] = 200
    benchmarks: Annotated[
        ExistingFolder | None,
        Field(description="folder of the benchmarks' files; not set: generated ones, if the source is synthetic"),
    ] = None


TASKS = {
    "tvr": "TVR",
    "how2r": "How2R",
    "didemo": "DiDeMo",
    "msrvtt": "MSR-VTT",
    "tvqa": "TVQA",
    "how2qa": "How2QA",
    "violin": "VIOLIN",
    "tvc": "TVC",
}
"""Benchmarks that HERO is fine-tuned on, and their names."""

"""Options of HERO, free of torch: settings become these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CLIPS = "hero_clips"
"""Name of the arrays of clips, as ``assets.features.store.ARRAY`` tells it."""


@dataclass(frozen=True)
class HeroClipOptions:
    """How videos are cut: clips of ``clip_s`` seconds, a frame every ``interval_s`` (D.4: 60 s and 2 s)."""

    clip_s: float = 60.0
    interval_s: float = 2.0


@dataclass(frozen=True)
class HeroOptions:
    """Size and schedule of HERO. The preset ``paper`` is also the published treatment of false negatives.

    ``vocabulary`` is a folder of ``vocab.json`` and ``merges.txt``, of which ``vocabulary_version`` is a hash; without
    one a vocabulary of the preset's size is trained. ``initial`` is a model folder to start from, of that version.
    """

    seed: int
    preset: Literal["paper", "small"]
    steps: int
    batch: int
    learning_rate: float
    fine_tuning_steps: int
    chunk_videos: int | None = None
    vocabulary: Path | None = None
    vocabulary_version: str = ""
    initial: Path | None = None
    initial_version: str | None = None
    benchmarks: Path | None = None


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

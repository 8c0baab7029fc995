"""The memory of a training, estimated without a GPU: what autograd keeps, and which trainings are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ml.harness import Runtime, Trainer, _Training
from ml.hero.batch import Vocabulary, aligned, tokens_of
from ml.hero.config import PRESETS
from ml.hero.model import Hero
from ml.hero.pretraining.train import PAPER, PreTraining
from ml.hero.video import Subtitle, Video
from ml.loading import Batches
from ml.memory_estimate import GIB, estimate
from tests.training import training

META = torch.device("meta")


class Layers:
    """Two linear layers with a ReLU: of a batch of ``n`` rows, autograd keeps the input and the hidden activations."""

    def __init__(self, width: int) -> None:
        with META:
            self.network = nn.Sequential(Rows(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1), Named())

    def losses(self, rows: dict[str, Tensor], step: int, all_gather: Any) -> dict[str, Tensor]:
        return {"loss": rows["rows"].sum()}


class Rows(nn.Module):
    def forward(self, part: tuple[Tensor]) -> Tensor:
        return part[0]


class Named(nn.Module):
    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return {"rows": rows}


def test_what_autograd_keeps_is_counted_once() -> None:
    width, rows = 64, 1000
    part = (torch.zeros(rows, width),)
    found = estimate(Layers(width), [part])
    parameters = 4 * (width * width + width + width + 1)
    assert (found.parameters, found.optimiser, found.tables) == (parameters, 2 * parameters, 4 * rows * width)
    assert found.kept == 4 * 2 * rows * width
    assert estimate(Layers(width), [part], torch.bfloat16).kept < found.kept


def spoken(seed: int) -> Video:
    """A clip of the published lengths: 50 frames, and 20 lines of 12 tokens."""
    lines = [Subtitle(4.0 * line, 4.0 * line + 3, tuple(range(10, 22))) for line in range(20)]
    return Video(f"clip-{seed}", np.zeros((50, PRESETS["paper"].frame_dim), np.float16), 1.5, lines)


class Clips:
    identity = "clips"

    def __len__(self) -> int:
        return PAPER.batch

    def take(self, numbers: list[int], /) -> list[Video]:
        return [spoken(number) for number in numbers]


def test_the_published_pre_training_fits_one_gpu_of_80_gb_in_parts_only() -> None:
    with META:
        model = Hero(PRESETS["paper"])
    vocabulary = Vocabulary(50_264, 4, 50_200)

    settings = replace(PAPER, shares={"mnce": 1}, batch=512)
    task = PreTraining(Clips(), None, vocabulary, model, settings, META)

    def needed(batches: Batches[Any]) -> int:
        return estimate(task, batches(0, 0, 1), torch.bfloat16).total

    parts = task.batches.in_parts(128 * tokens_of(aligned(spoken(0), PRESETS["paper"])))
    assert 5 * GIB < needed(parts) < 40 * GIB < needed(task.batches)


def test_a_batch_that_does_not_fit_is_divided_and_refused_if_it_cannot_be(tmp_path: Path) -> None:
    trainer = Trainer(Runtime(device="cpu"))
    task = training("HERO pre-training, mnce", tmp_path)
    run = _Training(task, trainer)
    (part,) = task.batches(0, 0, 1)
    run._fit_in(estimate(task, [part]).total)
    assert run.part_tokens is None
    run._fit_in(estimate(task, [part]).total - 1)
    assert run.part_tokens == -(-sum(part.tokens) // 2) and len(part.tokens) == 6
    with pytest.raises(ValueError, match=r"ComponentTask needs about .* GiB .*, but the GPU has 0.0 GiB; use"):
        _Training(training("CrossTask", tmp_path), trainer)._fit_in(0)

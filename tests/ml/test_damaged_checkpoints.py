"""A checkpoint that is damaged or of another version is set aside and named, and the training gives the same result."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.ml.test_harness import CPU, Line, fit


class Interrupted(Line):
    def losses(self, rows: dict[str, Tensor], step: int, all_gather: object) -> dict[str, Tensor]:
        if step == 3:
            raise KeyboardInterrupt
        return super().losses(rows, step, all_gather)  # type: ignore[arg-type]


def flip(folder: Path) -> None:
    file = folder / "training.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def cut(folder: Path) -> None:
    file = next(folder.glob("optimizer*"))
    file.write_bytes(file.read_bytes()[:100])


def lose(folder: Path) -> None:
    next(folder.glob("model*")).unlink()


def break_record(folder: Path) -> None:
    (folder / "record.json").write_text("{")


def age(folder: Path) -> None:
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, "format": 1}))


@pytest.fixture(scope="module")
def undisturbed() -> Line:
    """The training without an interruption."""
    line = Line()
    fit(line, CPU)
    return line


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (flip, "training.pt is damaged"),
        (cut, "is damaged"),
        (lose, "is missing"),
        (break_record, "cannot be read"),
        (age, "has format 1"),
    ],
)
def test_it_is_set_aside_and_named(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    undisturbed: Line,
    damage: Callable[[Path], None],
    problem: str,
) -> None:
    runtime = replace(CPU, checkpoints=tmp_path / "checkpoints", checkpoint_every_s=0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(Interrupted(), runtime)
    (checkpoint,) = (tmp_path / "checkpoints").glob("step-*")
    damage(checkpoint)
    line = Line()
    with caplog.at_level(logging.WARNING):
        fit(line, replace(runtime, checkpoint_every_s=1e9))
    assert problem in caplog.text and str(checkpoint) in caplog.text and ".unusable" in caplog.text
    assert line.network.first_step == 0
    for one, other in zip(line.network.parameters(), undisturbed.network.parameters(), strict=True):
        assert torch.equal(one, other)

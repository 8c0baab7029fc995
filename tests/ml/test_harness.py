"""Trainings that are interrupted and resumed: checkpoints by the clock of one process, and one file of curves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ml.curves import Curves, tensorboard_folder
from ml.distributed import AllGather
from ml.harness import Entry, Runtime, Trainer
from ml.loading import Share, read_ahead

CPU = Runtime(device="cpu")


@dataclass(frozen=True)
class Rows:
    """Random rows of a step of a token each, as a batch in parts of ``size`` rows."""

    size: int = 2

    def __call__(self, step: int, process: int, processes: int) -> list[tuple[int, Tensor]]:
        rows = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))[process::processes]
        return [(step, part) for part in rows.split(self.size)]

    def in_parts(self, tokens: int) -> Rows:
        return Rows(tokens)

    def tokens(self, part: tuple[int, Tensor]) -> list[int]:
        return [1] * len(part[1])


class Square(nn.Module):
    """Squared errors of a linear regression, after a random time.

    From step ``small_from``, the last process has no memory for a part of more than ``most`` rows, in its backward pass
    if ``on_the_way_back``.
    """

    most, small_from, on_the_way_back = 8, 0, False

    def __init__(self, killed_at: int | None, longest_s: float) -> None:
        super().__init__()
        self.line, self.killed_at, self.longest_s = nn.Linear(3, 1), killed_at, longest_s
        self.first_step: int | None = None

    def forward(self, part: tuple[int, Tensor]) -> dict[str, Tensor]:
        step, rows = part
        self.first_step = step if self.first_step is None else self.first_step
        last = int(os.environ.get("RANK", "0")) == int(os.environ.get("WORLD_SIZE", "1")) - 1
        if step == self.killed_at and last:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(random.random() * self.longest_s)
        errors = (self.line(rows) - rows.sum(1, keepdim=True)).square()
        if last and step >= self.small_from and len(rows) > self.most:
            if not self.on_the_way_back:
                out_of_memory(errors)
            if errors.requires_grad:
                errors.register_hook(out_of_memory)
        return {"errors": errors}


def out_of_memory(tensor: Tensor) -> None:
    raise torch.OutOfMemoryError(f"no memory for {len(tensor)} rows")


class Line:
    """Linear regression whose steps take a random time, another one in each process."""

    identity, seed, items, repeated = "line", 0, 8, False
    max_norm: float | None = None
    steps, steps_per_epoch = 120, 40
    batches = divisible = Rows()
    hyper_parameters: Mapping[str, Any] = {"learning_rate": 0.01}

    def __init__(self, killed_at: int | None = None, longest_s: float = 0.0) -> None:
        torch.manual_seed(0)
        self.network = Square(killed_at, longest_s)
        self.compiled: Sequence[nn.Module] = [self.network.line]
        self.optimiser: torch.optim.Optimizer = torch.optim.Adam(self.network.parameters(), 0.01, fused=True)

    def learning_rate_factor(self, step: int) -> float:
        return 0.99**step

    def losses(self, rows: dict[str, Tensor], step: int, all_gather: AllGather) -> dict[str, Tensor]:
        return {"loss": rows["errors"].sum() / len(all_gather(rows["errors"]))}

    def validate(self) -> Entry:
        return {}

    def score(self, entry: Entry) -> float:
        return entry["epoch"]


def fit(task: Line, runtime: Runtime) -> list[Entry]:
    return Trainer(runtime).fit(task)


def one_of_several(folder: Path, killed_at: int | None) -> None:
    """What each process of ``torchrun`` does: train with checkpoints every 40 ms; process 0 writes the result.

    From step 30, the memory of the last process is too small for two rows.
    """
    line = Line(killed_at, longest_s=0.008)
    line.network.most, line.network.small_from, line.network.on_the_way_back = 1, 30, True
    runtime = replace(CPU, checkpoints=folder / "checkpoints", checkpoint_every_s=0.04, tensorboard=folder / "curves")
    history = fit(line, runtime)
    if torch.distributed.get_rank() == 0:
        result = {"first_step": line.network.first_step, "losses": [entry["loss"] for entry in history]}
        result["weights"] = [each.tolist() for each in line.network.state_dict().values()]
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


SCRIPT = """
import sys
from pathlib import Path
from tests.ml.test_harness import one_of_several
one_of_several(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
"""


def two_processes(folder: Path, *killed_at: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    command = [*launcher, str(script), str(folder), *killed_at]
    return subprocess.run(command, env=environment, timeout=120, capture_output=True, text=True)


def test_two_processes_write_checkpoints_by_time_and_resume_after_a_kill(tmp_path: Path) -> None:
    alone = Line()
    history = fit(alone, CPU)
    killed = two_processes(tmp_path, "70")
    assert killed.returncode and "SIGKILL" in killed.stderr
    resumed = two_processes(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert 40 <= result["first_step"] <= 70
    assert result["losses"] == pytest.approx([entry["loss"] for entry in history], rel=1e-5)
    for weights, expected in zip(result["weights"], alone.network.state_dict().values(), strict=True):
        torch.testing.assert_close(torch.tensor(weights), expected)
    assert not (tmp_path / "checkpoints").exists()
    assert b"part_tokens" in next((tmp_path / "curves").iterdir()).read_bytes()
    assert points(tmp_path / "curves", "loss") == [
        (1, *rounded(history, 0)),
        (2, *rounded(history, 1)),
        (3, *rounded(history, 2)),
    ]


@pytest.mark.parametrize("on_the_way_back", [False, True])
def test_a_step_that_runs_out_of_memory_is_repeated_in_smaller_parts(
    on_the_way_back: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, limited = Line(), Line()
    whole.batches = limited.batches = Rows(8)
    limited.network.most, limited.network.small_from, limited.network.on_the_way_back = 3, 50, on_the_way_back
    expected = fit(whole, CPU)
    history = fit(limited, replace(CPU, tensorboard=tmp_path))
    assert [entry["loss"] for entry in history] == pytest.approx([entry["loss"] for entry in expected], rel=1e-5)
    torch.testing.assert_close(limited.network.state_dict(), whole.network.state_dict())
    warned = [record.message for record in caplog.records if "memory" in record.message]
    assert warned == [f"Line: too little memory; computing {size} tokens at once" for size in (4, 2)]
    (file,) = tmp_path.iterdir()
    assert b"part_tokens" in file.read_bytes()
    assert [step for step, _ in points(tmp_path, "loss")] == [1, 2, 3]


def test_a_part_of_one_example_that_does_not_fit_ends_the_training() -> None:
    line = Line()
    line.network.most = 0
    with pytest.raises(torch.OutOfMemoryError, match="no memory for 1 rows"):
        fit(line, CPU)


def test_a_checkpoint_keeps_the_tokens_of_a_part_and_one_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    class Interrupted(Line):
        def losses(self, rows: dict[str, Tensor], step: int, all_gather: AllGather) -> dict[str, Tensor]:
            if step == 50:
                raise KeyboardInterrupt
            return super().losses(rows, step, all_gather)

    runtime = replace(CPU, checkpoints=tmp_path / "checkpoints", checkpoint_every_s=0.0)
    broken = Interrupted()
    broken.batches, broken.network.most = Rows(8), 3
    with pytest.raises(KeyboardInterrupt):
        fit(broken, runtime)
    (path,) = tmp_path.glob("checkpoints/step-*/record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record.pop("part_tokens") == 2
    path.write_text(json.dumps({**record, "part_size": 3}), encoding="utf-8")
    whole, resumed = Line(), Line()
    fit(whole, CPU)
    fit(resumed, replace(runtime, part_tokens=4))
    assert resumed.network.first_step == 50
    torch.testing.assert_close(resumed.network.state_dict(), whole.network.state_dict())


def rounded(history: list[Entry], epoch: int) -> list[object]:
    return [pytest.approx(history[epoch]["loss"], rel=1e-5)]


def points(folder: Path, name: str) -> list[tuple[int, float]]:
    """A curve from the only event file of a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = folder.iterdir()
    events = EventAccumulator(str(file)).Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_a_loss_that_is_not_finite_ends_the_training_and_is_in_no_checkpoint(tmp_path: Path) -> None:
    class Diverging(Line):
        def losses(self, rows: dict[str, Tensor], step: int, all_gather: AllGather) -> dict[str, Tensor]:
            return {"loss": super().losses(rows, step, all_gather)["loss"] / (0 if step >= 60 else 1)}

    runtime = replace(CPU, checkpoints=tmp_path / "checkpoints", checkpoint_every_s=0.0)
    with pytest.raises(FloatingPointError, match=r"step 60: .*inf.*; lower the learning rate"):
        fit(Diverging(), runtime)
    line = Line()
    fit(line, runtime)
    assert line.network.first_step == 60


def test_a_checkpoint_of_another_training_is_not_resumed(tmp_path: Path) -> None:
    class Interrupted(Line):
        def losses(self, rows: dict[str, Tensor], step: int, all_gather: AllGather) -> dict[str, Tensor]:
            if step == 50:
                raise KeyboardInterrupt
            return super().losses(rows, step, all_gather)

    runtime = replace(CPU, checkpoints=tmp_path / "checkpoints")
    with pytest.raises(KeyboardInterrupt):
        fit(Interrupted(), runtime)
    other = Line()
    other.identity = "another line"
    fit(other, runtime)
    assert other.network.first_step == 0


def test_a_second_training_replaces_the_curves_of_the_first(tmp_path: Path) -> None:
    # Here, because processes of torchrun import this file, and scikit-learn would take half of their start.
    from ml.cluster_gcn.train import Config, train
    from tests.ml.cluster_gcn.graphs import planted_communities

    folder = tensorboard_folder(tmp_path / "models" / "product_classifier")
    assert folder == tmp_path / "models" / "tensorboard" / "product_classifier"
    graph, config = planted_communities(), Config(hidden_dim=8, epochs=3, clusters=6, clusters_per_batch=2)
    for epochs in (5, 3):
        _, history = train(graph, replace(config, epochs=epochs), tensorboard=folder)
    for name in ("loss", "validation_accuracy"):
        assert points(folder, name) == [(row["epoch"], pytest.approx(row[name])) for row in history]


def test_worker_processes_read_the_same_batches_in_order() -> None:
    share = Share(Rows(), 1, 2)
    ours, theirs = (list(read_ahead(share, range(3, 9), workers, pinned=False)) for workers in (2, 0))
    for one, other in zip(ours, theirs, strict=True):
        assert [step for step, _ in one] == [step for step, _ in other]
        for (_, rows), (_, expected) in zip(one, other, strict=True):
            assert torch.equal(rows, expected)


def test_hyper_parameters_are_in_the_file_of_the_curves(tmp_path: Path) -> None:
    fit(Line(), replace(CPU, tensorboard=tmp_path))
    (file,) = tmp_path.iterdir()
    assert b"learning_rate" in file.read_bytes()


def test_without_a_folder_no_curves_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Curves(None) as curves:
        curves.add({"epoch": 1, "loss": 2.0})
    assert not list(tmp_path.iterdir())

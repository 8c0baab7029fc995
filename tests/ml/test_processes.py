"""Two and four processes learn what one learns in every training, also when one of them is killed at random."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed

from ml.harness import Entry, Runtime, Trainer
from tests.training import TRAININGS, training, without_dropout

CPU = Runtime(device="cpu")
NEVER, KILLS = 10**9, 3
SCRIPT = """
import sys
from tests.ml.test_processes import one_of_several
one_of_several(sys.argv[1], [int(step) for step in sys.argv[2:]])
"""


def trained(name: str, folder: Path, runtime: Runtime, killed_at: int | None = None) -> tuple[list[Entry], Any]:
    """History and parameters of a training without dropout, whose random numbers differ between processes."""
    task = training(name, folder)
    without_dropout(task.network)
    if killed_at is not None:
        original = task.losses

        def losses(rows: Any, step: int, all_gather: Any) -> Any:
            if step == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(rows, step, all_gather)

        task.losses = losses  # type: ignore[method-assign]
    return Trainer(runtime).fit(task), task.network.state_dict()


def one_of_several(folder: str, killed_at: list[int]) -> None:
    """What each process of ``torchrun`` does: all trainings; in a step of each the last process is killed."""
    Trainer(CPU)  # starts the group of processes
    root, rank = Path(folder), int(os.environ["RANK"])
    last = rank == int(os.environ["WORLD_SIZE"]) - 1
    for number, name in enumerate(TRAININGS):
        done = root / f"done-{number}.pt"
        if not done.exists():
            runtime = replace(CPU, checkpoints=root / f"checkpoints-{number}", checkpoint_every_s=0.2)
            result = trained(name, root / f"data-{rank}", runtime, killed_at[number] if last else None)
            torch.distributed.barrier()  # no process may look for the file before all have
            if rank == 0:
                torch.save(result, done)
        torch.distributed.barrier()


@pytest.mark.campaign
@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_learn_what_one_learns_and_survive_kills(processes: int, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    rng = random.Random(processes)
    victims = sorted(rng.sample(range(len(TRAININGS)), KILLS))
    for victim in [*victims, None]:  # every run but the last is killed in another training, which the next one resumes
        fatal = [rng.randrange(1, 25) if number == victim else NEVER for number in range(len(TRAININGS))]
        command = [*launcher, str(script), str(tmp_path), *map(str, fatal)]
        done = subprocess.run(command, env=environment, timeout=900, capture_output=True, text=True)
        assert (done.returncode == 0) == (victim is None), done.stderr
        assert victim is None or "SIGKILL" in done.stderr
    for number, name in enumerate(TRAININGS):
        history, parameters = trained(name, tmp_path / "one", CPU)
        several, others = torch.load(tmp_path / f"done-{number}.pt")
        losses = [entry["loss"] for entry in history]
        assert [entry["loss"] for entry in several] == pytest.approx(losses, rel=2e-3), name
        for key, tensor in parameters.items():
            torch.testing.assert_close(others[key], tensor, atol=2e-3, rtol=2e-2, msg=f"{name}, {key}")

"""The training harness: one loop for every model that is trained in steps.

Belongs here: devices, precision, several processes, reading ahead, checkpoints, resuming, and the record of a training.
What a step computes is told by a ``Learner`` beside its model.

A batch is a function of the step's number alone, and so is the state of the generators in a step. So a training that
was interrupted goes on exactly where it was, and several processes share the batches of one.
"""

from __future__ import annotations

import ctypes
import json
import platform
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.distributed
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

from ml.training import pick_device

Entry = dict[str, float]
Precision = Literal["no", "bf16", "fp16"]

HEARTBEAT_S = 30.0
"""Seconds between two signs of life within an epoch."""
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Settings of glibc's allocator (mallopt(3))."""


@dataclass(frozen=True)
class Runtime:
    """How a training computes. Nothing of it changes what is learned, except for rounding.

    ``checkpoints`` is a folder of its own for this training; without one, an interrupted training starts again.
    ``tensorboard`` is where curves go besides the returned history. ``bar`` shows a progress bar on standard error.
    """

    device: str = "auto"
    precision: Precision = "no"
    compile: bool = False
    checkpoints: Path | None = None
    checkpoint_every_s: float = 600.0
    tensorboard: Path | None = None
    bar: bool = False


class Learner(Protocol):
    """What a model brings to the harness.

    ``identity`` names everything that the result depends on; a checkpoint of another identity is not resumed.
    ``items`` is the number of examples a step, for the throughput; ``max_norm`` bounds the gradient's length.
    ``uses_all_parameters`` tells whether every step has a gradient for each of them; several processes must know.
    """

    @property
    def identity(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def network(self) -> nn.Module: ...

    @property
    def optimiser(self) -> torch.optim.Optimizer: ...

    @property
    def steps(self) -> int: ...

    @property
    def steps_per_epoch(self) -> int: ...

    @property
    def items(self) -> int: ...

    @property
    def max_norm(self) -> float | None: ...

    @property
    def uses_all_parameters(self) -> bool: ...

    def learning_rate_factor(self, step: int) -> float:
        """Factor of the optimiser's learning rates in a step, from 0."""
        ...

    def batch(self, step: int, process: int, processes: int, /) -> Any:
        """This process's share of a step's batch, on the CPU: tensors in any nesting of tuples, lists and dicts."""
        ...

    def step(self, network: nn.Module, batch: Any, accelerator: Accelerator, /) -> dict[str, Tensor]:
        """Compute the gradient by ``accelerator.backward``; return what is to be recorded.

        Each name is averaged over the steps of an epoch that returned it; ``loss`` must be among them.
        """
        ...

    def validate(self) -> Entry:
        """Measures after an epoch; empty if there is nothing to measure on."""
        ...

    def score(self, entry: Entry) -> float:
        """How good the model is after this epoch: the best one is kept, the later one of equals."""
        ...


def fit(learner: Learner, runtime: Runtime, progress: Callable[[Entry], None] | None = None) -> list[Entry]:
    """Train; afterwards ``learner.network`` holds the parameters after the best epoch.

    Args:
        progress: told of each epoch (``epoch``, the step's averages, ``learning_rate``, ``items_per_s``, ``seconds``,
            and what ``validate`` measures), and within a long one of ``step``, ``of`` and ``loss``.

    Returns:
        One entry an epoch.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    # The library keeps one state a process; a second training may want another precision or device.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    on_cpu = pick_device(runtime.device).type == "cpu"
    if on_cpu:
        _keep_freed_memory()
    unused = DistributedDataParallelKwargs(find_unused_parameters=not learner.uses_all_parameters)
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=runtime.precision, kwargs_handlers=[unused])
    return _Training(learner, runtime, accelerator, progress or (lambda entry: None)).run()


class _Training:
    def __init__(
        self, learner: Learner, runtime: Runtime, accelerator: Accelerator, progress: Callable[[Entry], None]
    ) -> None:
        self.learner, self.runtime, self.accelerator, self.progress = learner, runtime, accelerator, progress
        self.schedule = torch.optim.lr_scheduler.LambdaLR(learner.optimiser, learner.learning_rate_factor)
        network = torch.compile(learner.network) if runtime.compile else learner.network
        self.network, self.optimiser = accelerator.prepare(network, learner.optimiser)
        self.history: list[Entry] = []
        self.sums: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.seconds = 0.0
        self.done = 0
        self.checkpoints = _Checkpoints(runtime.checkpoints, learner.identity) if runtime.checkpoints else None

    def run(self) -> list[Entry]:
        learner, main = self.learner, self.accelerator.is_main_process
        if self.checkpoints:
            self.checkpoints.resume(self)
        began = told = saved = time.monotonic()
        for step, batch in self._batches():
            self._step(step, batch)
            self.done = step + 1
            now = time.monotonic()
            self.seconds += now - began
            if self.done % learner.steps_per_epoch == 0 or self.done == learner.steps:
                self._end_epoch()
            elif main and now - told > HEARTBEAT_S:
                told = now
                taken = self.done % learner.steps_per_epoch
                self.progress({"step": self.done, "of": learner.steps, "loss": self.sums["loss"] / taken})
            if self.checkpoints and (now - saved > self.runtime.checkpoint_every_s or not self.sums):
                saved = now
                self.checkpoints.write(self)
            began = time.monotonic()  # measuring and storing are not part of a step's time
        if self.best:
            self.learner.network.load_state_dict(self.best[1])
        if self.checkpoints and main:
            self.checkpoints.remove()
        return self.history

    def _batches(self) -> Iterator[tuple[int, Any]]:
        """Steps still to be done with their batches; the next one is read while one is computed."""
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        steps = range(self.done, self.learner.steps)
        with ThreadPoolExecutor(1) as pool:

            def read(step: int) -> Future[Any]:
                return pool.submit(self.learner.batch, step, process, processes)

            ahead = read(steps[0]) if steps else None
            for step in _bar(steps, self.runtime.bar and self.accelerator.is_main_process):
                assert ahead is not None
                batch = ahead.result()
                ahead = read(step + 1) if step + 1 < self.learner.steps else None
                yield step, on_device(batch, self.accelerator.device)

    def _step(self, step: int, batch: Any) -> None:
        torch.manual_seed(
            (self.learner.seed << 32) + step * self.accelerator.num_processes + self.accelerator.process_index
        )
        self.network.train()
        self.optimiser.zero_grad()
        losses = self.learner.step(self.network, batch, self.accelerator)
        if self.learner.max_norm is not None:
            self.accelerator.clip_grad_norm_(self.learner.network.parameters(), self.learner.max_norm)
        self.optimiser.step()
        self.schedule.step()
        for name, value in losses.items():
            self.sums[name] += float(value.detach())
            self.counts[name] += 1
        if not all(map(torch.isfinite, losses.values())):
            raise FloatingPointError(
                f"step {step}: the loss is {self.sums}; lower the learning rate or use precision no"
            )

    def _end_epoch(self) -> None:
        learner = self.learner
        epoch = -(-self.done // learner.steps_per_epoch)
        steps = self.done - (epoch - 1) * learner.steps_per_epoch
        entry: Entry = {"epoch": epoch, **{name: total / self.counts[name] for name, total in self.sums.items()}}
        entry["learning_rate"] = learner.optimiser.param_groups[0]["lr"]
        entry["seconds"], entry["items_per_s"] = self.seconds, steps * learner.items / max(self.seconds, 1e-9)
        learner.network.eval()
        entry |= learner.validate()
        self.sums.clear()
        self.counts.clear()
        self.seconds = 0.0
        self.history.append(entry)
        score = learner.score(entry)
        if self.best is None or score >= self.best[0]:
            state = {name: tensor.detach().cpu().clone() for name, tensor in learner.network.state_dict().items()}
            self.best = score, state
        if self.accelerator.is_main_process:
            _write_curves(self.runtime.tensorboard, entry)
            self.progress(entry)


class _Checkpoints:
    """``step-<n>`` folders, each written beside and renamed when whole; the newest one counts."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity

    def write(self, training: _Training) -> None:
        accelerator, new = training.accelerator, self.folder / ".new"
        if accelerator.is_main_process:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(new))
        if accelerator.is_main_process:
            torch.save({"best": training.best, "schedule": training.schedule.state_dict()}, new / "best.pt")
            record = {
                "identity": self.identity,
                "done": training.done,
                "history": training.history,
                "sums": training.sums,
                "counts": training.counts,
                "seconds": training.seconds,
            }
            (new / "record.json").write_text(json.dumps(record), encoding="utf-8")
            older = self._steps()
            new.rename(self.folder / f"step-{training.done:09d}")
            for path in older:
                shutil.rmtree(path)
        accelerator.wait_for_everyone()

    def resume(self, training: _Training) -> None:
        """Go on from the newest checkpoint of this training; leave one of another training alone."""
        for path in reversed(self._steps()):
            record = json.loads((path / "record.json").read_text(encoding="utf-8"))
            if record["identity"] != self.identity:
                continue
            training.accelerator.load_state(str(path))
            stored = torch.load(path / "best.pt", map_location="cpu", weights_only=True)
            training.best = stored["best"]
            training.schedule.load_state_dict(stored["schedule"])
            training.done, training.history = record["done"], record["history"]
            training.sums.update(record["sums"])
            training.counts.update(record["counts"])
            training.seconds = record["seconds"]
            return

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _steps(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))


def _keep_freed_memory() -> None:
    """Let the C library keep what is freed in this process: a step frees as much as the next one takes.

    Given back to the system, its pages would be zeroed at each step anew, which takes an eighth of a large step's time.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes ``[n, ...]``, those of process 0 first, with gradients; they may differ in number.

    The gradient that arrives at a row is the sum over the processes.
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather

    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    most = max(int(count) for count in counts)
    padded = torch.cat([rows, rows.new_zeros((most - len(rows), *rows.shape[1:]))])
    parts = all_gather(padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])


def on_device(batch: Any, device: torch.device) -> Any:
    """A batch with its tensors on a device, in any nesting of tuples, lists and dicts."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: on_device(value, device) for name, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        values = [on_device(value, device) for value in batch]
        return batch._make(values) if hasattr(batch, "_make") else type(batch)(values)
    return batch


def _bar(steps: range, shown: bool) -> Any:
    if not shown:
        return steps
    from tqdm import tqdm

    return tqdm(steps, initial=steps.start, total=steps.stop, unit="step", dynamic_ncols=True)


def _write_curves(folder: Path | None, entry: Entry) -> None:
    if folder is None:
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for name, value in entry.items():
            if name != "epoch":
                writer.add_scalar(name, value, int(entry["epoch"]))

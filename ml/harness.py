"""The training loop that all models trained in steps share.

It places the model on a device, sets the precision, divides each batch among processes, reads ahead, writes
checkpoints, resumes, and records the training. What a step computes is in a ``Learner`` next to its model.

A batch is a function of the step's number alone, and so is the state of the generators in a step. An interrupted
training therefore continues exactly where it stopped, and several processes share the batches of one.

TensorBoard: every training writes one event file. Its folder is ``ml.curves.tensorboard_folder(model)``, that is
``<models>/tensorboard/<name>`` for the model folder ``<models>/<name>``. In a lake, ``<models>`` is ``<lake>/models``.
"""

from __future__ import annotations

import ctypes
import math
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
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

from ml.checkpoints import Checkpoints, CheckpointTimer
from ml.curves import Curves
from ml.training import pick_device

Entry = dict[str, float]
Precision = Literal["no", "bf16", "fp16"]

HEARTBEAT_S = 30.0
"""Seconds between two progress reports within an epoch."""
READ_EVERY = 25
"""Steps between two reads of the losses, each of which waits for the device."""
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Settings of glibc's allocator (mallopt(3))."""


@dataclass(frozen=True)
class Runtime:
    """How a training computes. These fields change the result by rounding at most.

    ``checkpoints`` is a folder for this training alone; without one, an interrupted training starts again.
    ``tensorboard`` is the folder of the event file (``ml.curves.tensorboard_folder``). ``bar`` shows a progress bar on
    standard error.
    """

    device: str = "auto"
    precision: Precision = "no"
    compile: bool = False
    checkpoints: Path | None = None
    checkpoint_every_s: float = 600.0
    tensorboard: Path | None = None
    bar: bool = False


class Learner(Protocol):
    """A model's part of the training.

    ``identity`` names everything that the result depends on; a checkpoint of another identity is not resumed.
    ``items`` is the number of examples per step, for the throughput; ``max_norm`` bounds the norm of the gradient.
    ``uses_all_parameters`` is whether every step has a gradient for each parameter; several processes need to know.
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
        """Compute the gradient by ``accelerator.backward``; return the values to record, equal in all processes.

        Each value is averaged over the steps of an epoch that returned it; ``loss`` must be among them.
        """
        ...

    def validate(self) -> Entry:
        """Metrics after an epoch; empty if there is no validation data."""
        ...

    def score(self, entry: Entry) -> float:
        """Score of the model after this epoch: the best one is kept, the later one of equals."""
        ...


def fit(learner: Learner, runtime: Runtime, progress: Callable[[Entry], None] | None = None) -> list[Entry]:
    """Train; afterwards ``learner.network`` holds the parameters after the best epoch.

    Args:
        progress: called after each epoch with its entry (``epoch``, the averages over its steps, ``learning_rate``,
            ``items_per_s``, ``seconds``, and the metrics of ``validate``; ``of`` is the number of epochs), and within a
            long epoch with ``step``, ``of`` and ``loss``.

    Returns:
        One entry per epoch.

    Raises:
        FloatingPointError: a loss is not finite; it is raised within ``READ_EVERY`` steps.
    """
    # Accelerate keeps one state per process; a second training may need another precision or device.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    on_cpu = pick_device(runtime.device).type == "cpu"
    if on_cpu:
        _keep_freed_memory()
    # Buffers are constant tables here: broadcasting them in every step would only cost time.
    exchange = DistributedDataParallelKwargs(
        find_unused_parameters=not learner.uses_all_parameters, broadcast_buffers=False
    )
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=runtime.precision, kwargs_handlers=[exchange])
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
        self.means = _Means(accelerator.device)
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.seconds = 0.0
        self.done = 0
        self.checkpoints = Checkpoints(runtime.checkpoints, learner.identity) if runtime.checkpoints else None

    def run(self) -> list[Entry]:
        main = self.accelerator.is_main_process
        self._resume()
        with Curves(self.runtime.tensorboard if main else None, self.history) as curves:
            self._steps(curves)
        if self.best:
            self.learner.network.load_state_dict(self.best[1])
        if self.checkpoints and main:
            self.checkpoints.remove()
        return self.history

    def _steps(self, curves: Curves) -> None:
        learner, main = self.learner, self.accelerator.is_main_process
        timer = CheckpointTimer(self.runtime.checkpoint_every_s, self.accelerator.device)
        began = reported = time.monotonic()
        for step, batch in self._batches():
            self._step(step, batch)
            self.done = step + 1
            epoch_ends = self.done % learner.steps_per_epoch == 0 or self.done == learner.steps
            if epoch_ends or self.done % READ_EVERY == 0:
                self.means.check(step)
            now = time.monotonic()
            self.seconds += now - began
            if epoch_ends:
                curves.add(self._end_epoch())
            elif main and now - reported > HEARTBEAT_S:
                reported = now
                self.progress({"step": self.done, "of": learner.steps, "loss": self.means.read()["loss"]})
            if self.checkpoints and (timer.due() or epoch_ends):
                self._write(self.checkpoints)
                timer.restart()
            began = time.monotonic()  # validation and checkpoints do not count as time of a step

    def _write(self, checkpoints: Checkpoints) -> None:
        self.means.check(self.done - 1)
        record = {"history": self.history, "means": self.means.state(), "seconds": self.seconds}
        tensors = {"best": self.best, "schedule": self.schedule.state_dict()}
        checkpoints.write(self.accelerator, self.done, tensors, record)

    def _resume(self) -> None:
        stored = self.checkpoints.resume(self.accelerator) if self.checkpoints else None
        if stored is None:
            return
        tensors, record = stored
        self.best = tensors["best"]
        self.schedule.load_state_dict(tensors["schedule"])
        self.done, self.history, self.seconds = record["done"], record["history"], record["seconds"]
        self.means.restore(record["means"])

    def _batches(self) -> Iterator[tuple[int, Any]]:
        """The remaining steps with their batches; the next batch is read during a step."""
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
        self.means.add(losses)

    def _end_epoch(self) -> Entry:
        learner = self.learner
        epoch = -(-self.done // learner.steps_per_epoch)
        steps = self.done - (epoch - 1) * learner.steps_per_epoch
        entry: Entry = {"epoch": epoch, **self.means.read()}
        entry["learning_rate"] = learner.optimiser.param_groups[0]["lr"]
        entry["seconds"], entry["items_per_s"] = self.seconds, steps * learner.items / max(self.seconds, 1e-9)
        learner.network.eval()
        entry |= learner.validate()
        self.means = _Means(self.accelerator.device)
        self.seconds = 0.0
        self.history.append(entry)
        score = learner.score(entry)
        if self.best is None or score >= self.best[0]:
            state = {name: tensor.detach().cpu().clone() for name, tensor in learner.network.state_dict().items()}
            self.best = score, state
        if self.accelerator.is_main_process:
            self.progress({**entry, "of": -(-learner.steps // learner.steps_per_epoch)})
        return entry


class _Means:
    """Means of the recorded values over the steps of an epoch.

    The sums stay on the device, so that a step does not wait for the device. Reading them does.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            known = self.sums.get(name)
            added = value.detach().to(self.dtype)
            self.sums[name] = added if known is None else known + added
            self.counts[name] += 1

    def read(self) -> Entry:
        return {name: total / self.counts[name] for name, total in self._totals().items()}

    def check(self, step: int) -> None:
        """Raise an error if a value of the epoch so far was not finite."""
        means = self.read()
        if not all(map(math.isfinite, means.values())):
            raise FloatingPointError(
                f"step {step}: the means of the epoch so far are {means}; lower the learning rate or use precision no"
            )

    def state(self) -> dict[str, Any]:
        return {"sums": self._totals(), "counts": dict(self.counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.sums = {
            name: torch.tensor(total, dtype=self.dtype, device=self.device) for name, total in state["sums"].items()
        }
        self.counts.update(state["counts"])

    def _totals(self) -> dict[str, float]:
        if not self.sums:
            return {}
        totals: list[float] = torch.stack(list(self.sums.values())).tolist()
        return dict(zip(self.sums, totals, strict=True))


def _keep_freed_memory() -> None:
    """Let the C library keep freed memory in this process, because a step frees as much as the next one allocates.

    Memory that is returned to the system is zeroed again at each step, which takes an eighth of a large step's time.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


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

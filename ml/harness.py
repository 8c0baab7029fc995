"""The trainer of all models: every training is a ``TrainTask``, and ``Trainer.fit`` runs it.

The trainer places the model on a device, sets the precision, divides each batch among processes, reads ahead, computes
large batches in parts, writes checkpoints, resumes, and records the training. What a step computes is in a
``TrainTask`` next to its model.

A batch is a function of the step's number alone, and so is the state of the generators in a step. An interrupted
training therefore continues exactly where it stopped, and several processes share the batches of one. A step never
waits for the device: losses are summed there and read every ``READ_EVERY`` steps.

TensorBoard: every training writes one event file. Its folder is ``ml.curves.tensorboard_folder(model)``, that is
``<models>/tensorboard/<name>`` for the model folder ``<models>/<name>``. In a lake, ``<models>`` is ``<lake>/models``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import torch
import torch.distributed
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from ml import memory_estimate
from ml.checkpoints import Checkpoints, CheckpointTimer
from ml.curves import Curves
from ml.distributed import (
    AllGather,
    MemoryOfAnotherProcessError,
    Rows,
    copy_from_first_process,
    gather,
    of_processes,
    report_out_of_memory,
    sum_gradients,
)
from ml.gradient_caching import backward
from ml.host_memory import keep_freed_memory
from ml.loading import Batches, Share, on_device, read_ahead
from ml.parts import Divisible, largest_divisible
from ml.running_means import RunningMeans
from ml.training import pick_device

Entry = dict[str, float]
Part = TypeVar("Part")
Precision = Literal["no", "bf16", "fp16"]

LOG = logging.getLogger(__name__)
HEARTBEAT_S = 30.0
"""Seconds between two progress reports within an epoch."""
READ_EVERY = 25
"""Steps between two reads of the losses, each of which waits for the device."""


@dataclass(frozen=True)
class Runtime:
    """How a training computes. These fields change the result by rounding at most.

    ``compile`` compiles the encoders of the model. ``workers`` are the processes that read batches; with 0 a thread
    does. ``part_tokens`` limits what a process computes at once (``ml.parts``); a GPU with too little memory lowers it.
    ``checkpoints`` is a folder for this training alone; without one, an interrupted training starts again.
    ``tensorboard`` is the folder of the event file (``ml.curves.tensorboard_folder``). ``bar`` shows a progress bar on
    standard error.
    """

    device: str = "auto"
    precision: Precision = "no"
    compile: bool = False
    workers: int = 0
    part_tokens: int | None = None
    checkpoints: Path | None = None
    checkpoint_every_s: float = 600.0
    tensorboard: Path | None = None
    bar: bool = False


class TrainTask(Protocol[Part]):
    """A model's part of a training; ``Part`` is what its network computes at once.

    ``identity`` names everything that the result depends on; a checkpoint of another identity is not resumed.
    ``network(part)`` returns the rows of a part that the losses need, by name. ``compiled`` are the parts of the
    network that ``Runtime.compile`` compiles: they have most of the work, and inputs of the same form in every step.
    ``items`` is the number of examples per step, for the throughput; ``max_norm`` bounds the norm of the gradient.
    ``repeated`` is whether every process computes each batch whole, with the same random numbers. ``divisible`` are the
    same batches, which can be computed in parts; it is None if a process's batch cannot be divided.
    ``hyper_parameters`` are recorded with the curves.
    """

    @property
    def identity(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def network(self) -> nn.Module: ...

    @property
    def compiled(self) -> Sequence[nn.Module]: ...

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
    def repeated(self) -> bool: ...

    @property
    def hyper_parameters(self) -> Mapping[str, Any]: ...

    @property
    def batches(self) -> Batches[Part]: ...

    @property
    def divisible(self) -> Divisible[Part] | None: ...

    def learning_rate_factor(self, step: int) -> float:
        """Factor of the optimiser's learning rates in a step, from 0."""
        ...

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        """This process's part of each loss from its rows; the parts of all processes add up to the loss of the batch.

        ``all_gather`` returns the rows of all processes. ``loss`` is minimised. Each value is averaged over the steps
        of an epoch that returned it.
        """
        ...

    def validate(self) -> Entry:
        """Metrics after an epoch; empty if there is no validation data."""
        ...

    def score(self, entry: Entry) -> float:
        """Score of the model after this epoch: the best one is kept, the later one of equals."""
        ...


class Trainer:
    """Trains tasks in a runtime. Make it before the models: with several processes, ``device`` is this process's own.

    Args:
        progress: called after each epoch with its entry (``epoch``, the averages over its steps, ``learning_rate``,
            ``items_per_s``, ``seconds``, and the metrics of ``validate``; ``of`` is the number of epochs), and within a
            long epoch with ``step``, ``of`` and ``loss``.
    """

    def __init__(self, runtime: Runtime, progress: Callable[[Entry], None] | None = None) -> None:
        self.runtime, self.progress = runtime, progress or (lambda entry: None)
        # Accelerate keeps one state per process; a second training may need another precision or device.
        AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
        on_cpu = pick_device(runtime.device).type == "cpu"
        if on_cpu:
            keep_freed_memory()
        self.accelerator = Accelerator(cpu=on_cpu, mixed_precision=runtime.precision)
        if self.device.type == "cuda" and runtime.precision != "no":
            torch.set_float32_matmul_precision("high")  # TF32 for the products that stay in float32

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        device: torch.device = self.accelerator.device
        return device

    def fit(self, task: TrainTask[Part]) -> list[Entry]:
        """Train; afterwards ``task.network`` holds the parameters after the best epoch.

        Returns:
            One entry per epoch.

        Raises:
            FloatingPointError: a loss is not finite; it is raised within ``READ_EVERY`` steps.
        """
        if self.runtime.compile:
            for module in task.compiled:
                module.compile(dynamic=True)
        return _Training(task, self).run()


class _Training(Generic[Part]):
    """The state of one training."""

    def __init__(self, task: TrainTask[Part], trainer: Trainer) -> None:
        self.task, self.runtime = task, trainer.runtime
        self.accelerator, self.progress = trainer.accelerator, trainer.progress
        self.schedule = torch.optim.lr_scheduler.LambdaLR(task.optimiser, task.learning_rate_factor)
        # Not prepared for several processes: gradients are exchanged by ``sum_gradients``.
        self.network = self.accelerator.prepare_model(task.network, evaluation_mode=True)
        copy_from_first_process(self.network.parameters())
        self.optimiser = self.accelerator.prepare_optimizer(task.optimiser)
        self.part_tokens = self.runtime.part_tokens
        self.history: list[Entry] = []
        self.means = RunningMeans(self.accelerator.device)
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.seconds = 0.0
        self.done = 0
        folder = self.runtime.checkpoints
        self.checkpoints = Checkpoints(folder, task.identity) if folder else None

    def run(self) -> list[Entry]:
        if self.checkpoints is None:
            return self._run()
        with self.checkpoints.claimed(self.accelerator) as mine:
            if not mine:
                LOG.warning("%s: in use by another process; this training writes none", self.checkpoints.folder)
                self.checkpoints = None
            return self._run()

    def _run(self) -> list[Entry]:
        self._resume()
        if self.accelerator.device.type == "cuda":
            self._fit_in(torch.cuda.get_device_properties(self.accelerator.device).total_memory)
        self.curves = self._open_curves()
        try:
            self._steps()
        finally:
            self.curves.close()
        if self.best:
            self.task.network.load_state_dict(self.best[1])
        if self.checkpoints and self.accelerator.is_main_process:
            self.checkpoints.remove()
        return self.history

    def _open_curves(self) -> Curves:
        """The curves so far in a new file, with the hyper-parameters of now."""
        found = {} if self.part_tokens is None else {"part_tokens": self.part_tokens}
        folder = self.runtime.tensorboard if self.accelerator.is_main_process else None
        return Curves(folder, self.history, {**self.task.hyper_parameters, **found})

    def _steps(self) -> None:
        task, main = self.task, self.accelerator.is_main_process
        timer = CheckpointTimer(self.runtime.checkpoint_every_s, self.accelerator.device)
        batches = self._batches()
        began = reported = time.monotonic()
        for step in _bar(range(self.done, task.steps), self.runtime.bar and main):
            parts = next(batches)
            while not self._step(step, on_device(parts, self.accelerator.device)):
                self._halve(parts)
                self.curves.close()
                self.curves, batches = self._open_curves(), self._batches()
                parts = next(batches)
            self.done = step + 1
            epoch_ends = self.done % task.steps_per_epoch == 0 or self.done == task.steps
            if epoch_ends or self.done % READ_EVERY == 0:
                self.means.check(step)
            now = time.monotonic()
            self.seconds += now - began
            if epoch_ends:
                self.curves.add(self._end_epoch())
            elif main and now - reported > HEARTBEAT_S:
                reported = now
                self.progress({"step": self.done, "of": task.steps, "loss": self.means.read()["loss"]})
            if self.checkpoints and (timer.due() or epoch_ends):
                self._write(self.checkpoints)
                timer.restart()
            began = time.monotonic()  # validation and checkpoints do not count as time of a step

    def _batches(self) -> Iterator[Sequence[Part]]:
        """The batches of the steps that are left."""
        pinned = self.accelerator.device.type == "cuda"
        return read_ahead(self._share(), range(self.done, self.task.steps), self.runtime.workers, pinned)

    def _share(self) -> Share[Part]:
        task, accelerator = self.task, self.accelerator
        parts = task.divisible.in_parts(self.part_tokens) if task.divisible and self.part_tokens else task.batches
        return Share(parts, accelerator.process_index, accelerator.num_processes)

    def _fit_in(self, available: int) -> None:
        """Log how much memory the training needs; divide its batches if that is more than is available.

        Args:
            available: bytes of the device's memory.

        Raises:
            ValueError: it does not fit, and its batches cannot be divided.
        """
        name = type(self.task).__name__
        precision = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.runtime.precision]
        while True:
            parts = self._share()[self.done]
            try:
                needed = memory_estimate.estimate(self.task, parts, precision)
            except NotImplementedError as error:  # products of sparse matrices cannot be estimated
                LOG.info("%s: no estimate of memory: %s", name, error)
                return
            if all(of_processes(needed.total <= available)):
                LOG.info("%s: %s", name, needed)
                return
            if not self._halve(parts):
                found = f"the GPU has {available / memory_estimate.GIB:.1f} GiB"
                raise ValueError(f"{name} needs {needed}, but {found}; use precision bf16, or a smaller batch or model")

    def _halve(self, parts: Sequence[Part]) -> bool:
        """Compute half of the largest part of any process at once from now on; False if no part can be divided."""
        largest = max(of_processes(largest_divisible(self.task.divisible, parts)))
        if not largest:
            return False
        self.part_tokens = -(-largest // 2)
        if self.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.accelerator.is_main_process:
            name = type(self.task).__name__
            LOG.warning("%s: too little memory; computing %d tokens at once", name, self.part_tokens)
        return True

    def _write(self, checkpoints: Checkpoints) -> None:
        self.means.check(self.done - 1)
        record = {"history": self.history, "means": self.means.state(), "seconds": self.seconds}
        record |= {"part_tokens": self.part_tokens}
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
        # An earlier version recorded none, or a number of examples under another name.
        known = [each for each in (self.part_tokens, record.get("part_tokens")) if each]
        self.part_tokens = min(known, default=None)

    def _step(self, step: int, parts: Sequence[Part]) -> bool:
        """Compute a step. False, and without an effect, if a process's device has too little memory for its parts."""
        accelerator = self.accelerator
        process = 0 if self.task.repeated else accelerator.process_index
        torch.manual_seed((self.task.seed << 32) + (process << 24) + step)
        self.network.train()
        self.optimiser.zero_grad()
        losses = self._gradient(step, parts)
        if losses is None:
            return False
        sum_gradients(self.task.network.parameters())
        if self.task.max_norm is not None:
            accelerator.clip_grad_norm_(self.task.network.parameters(), self.task.max_norm)
        self.optimiser.step()
        self.schedule.step()
        whole = accelerator.reduce(torch.stack(list(losses.values())), "sum")
        self.means.add(dict(zip(losses, whole.unbind(), strict=True)))
        return True

    def _gradient(self, step: int, parts: Sequence[Part]) -> dict[str, Tensor] | None:
        """This process's part of the losses and of the gradient; None in every process if one runs out of memory."""
        try:
            return backward(self.network, parts, lambda rows: self.task.losses(rows, step, gather), self.accelerator)
        except MemoryOfAnotherProcessError:
            return None
        except torch.OutOfMemoryError:
            if not largest_divisible(self.task.divisible, parts):
                raise
        report_out_of_memory()
        return None

    def _end_epoch(self) -> Entry:
        task = self.task
        epoch = -(-self.done // task.steps_per_epoch)
        steps = self.done - (epoch - 1) * task.steps_per_epoch
        entry: Entry = {"epoch": epoch, **self.means.read()}
        entry["learning_rate"] = task.optimiser.param_groups[0]["lr"]
        entry["seconds"], entry["items_per_s"] = self.seconds, steps * task.items / max(self.seconds, 1e-9)
        task.network.eval()
        entry |= task.validate()
        self.means = RunningMeans(self.accelerator.device)
        self.seconds = 0.0
        self.history.append(entry)
        score = task.score(entry)
        if self.best is None or score >= self.best[0]:
            state = {name: tensor.detach().cpu().clone() for name, tensor in task.network.state_dict().items()}
            self.best = score, state
        if self.accelerator.is_main_process:
            self.progress({**entry, "of": -(-task.steps // task.steps_per_epoch)})
        return entry


def _bar(steps: range, shown: bool) -> Any:
    if not shown:
        return steps
    from tqdm import tqdm

    return tqdm(steps, initial=steps.start, total=steps.stop, unit="step", dynamic_ncols=True)

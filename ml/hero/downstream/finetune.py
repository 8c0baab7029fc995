"""Fine-tuning: one loop for every downstream task, with the settings that HERO's authors publish.

Belongs here: settings, the order of the examples, parameter groups, the schedule. What a task computes lies beside its
head; how steps are run and resumed is told in ``ml/harness.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.harness import Entry, Runtime, fit
from ml.hero.optimisation import adamw, warm_up_and_decay


@dataclass(frozen=True)
class Settings:
    """How a task is fine-tuned. ``batch`` is the examples a step over all processes.

    The heads' learning rate is ``head_factor`` times that of the rest. Validation comes every ``validate_every`` steps.
    """

    learning_rate: float
    steps: int
    warm_up: int
    batch: int
    head_factor: float = 1.0
    weight_decay: float = 0.01
    max_norm: float = 1.0
    validate_every: int = 200
    seed: int = 77

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < self.steps:
            raise ValueError(f"warm_up={self.warm_up}, steps={self.steps}: must be 0 <= warm_up < steps")
        if self.batch < 1:
            raise ValueError(f"batch={self.batch}: must be at least 1")


# GPUs x batch x accumulation of the published runs, as one batch.
PRESETS = {
    "tvr": Settings(1e-4, 5000, 500, 8 * 32 * 2),
    "didemo_video": Settings(7e-5, 5000, 500, 4 * 32),
    "didemo_subtitles": Settings(1e-4, 5000, 500, 8 * 32 * 2),
    "msrvtt": Settings(7e-5, 4000, 400, 4 * 96 * 2),
    "tvqa": Settings(5e-5, 10_000, 1000, 8 * 4 * 2, head_factor=10),
    "violin": Settings(3e-5, 6000, 600, 8 * 4 * 2, head_factor=8),
    "tvc": Settings(1e-4, 7000, 700, 8 * 4, head_factor=10),
    "how2r": Settings(1e-4, 3000, 300, 8 * 32 * 2),
    "how2qa": Settings(5e-5, 2000, 200, 8 * 4 * 2, head_factor=10),
}


class Task(Protocol):
    """What a task brings to the loop.

    ``network(batch, step)`` returns the losses that are recorded; the one named ``loss`` is learned from. ``heads`` are
    its parts that are new in this task. ``identity`` names the data and the model it starts from. ``measure`` is the
    metric of ``evaluate`` by which the best model is chosen, greater is better.
    """

    @property
    def identity(self) -> str: ...

    @property
    def network(self) -> nn.Module: ...

    @property
    def heads(self) -> Sequence[nn.Module]: ...

    @property
    def examples(self) -> int: ...

    @property
    def measure(self) -> str: ...

    def batch(self, rows: Sequence[int]) -> Any:
        """The training examples with these numbers, on the CPU: tensors in tuples, lists and dicts."""
        ...

    def evaluate(self) -> Entry:
        """Metrics on the validation split, over all its examples."""
        ...


def finetune(
    task: Task, settings: Settings, runtime: Runtime, progress: Callable[[Entry], None] | None = None
) -> list[Entry]:
    """Fine-tune; afterwards ``task.network`` holds the parameters with the best ``task.measure``.

    Returns:
        An entry a validation, as ``ml.harness.fit``.
    """
    return fit(_FineTuning(task, settings), runtime, progress)


def cut_to_limit(queries: Sequence[Sequence[int]], limit: int) -> tuple[list[list[int]], int]:
    """Queries of at most ``limit`` tokens, and how many were longer. None is left out, unlike in the published code."""
    return [list(query[:limit]) for query in queries], sum(len(query) > limit for query in queries)


class _FineTuning:
    """The harness's view of a task and its settings."""

    uses_all_parameters = False

    def __init__(self, task: Task, settings: Settings) -> None:
        if task.examples < 1:
            raise ValueError(f"{task.identity}: no example to learn from")
        self.task, self.settings = task, settings
        self.network, self.seed, self.steps = task.network, settings.seed, settings.steps
        self.steps_per_epoch, self.items = settings.validate_every, settings.batch
        self.max_norm: float | None = settings.max_norm
        self._order = lru_cache(maxsize=2)(self._shuffled)  # a batch may lie in two passes
        self.optimiser = adamw(
            task.network, settings.learning_rate, settings.weight_decay, task.heads, settings.head_factor
        )

    @property
    def identity(self) -> str:
        return hashlib.blake2b(f"{self.task.identity}/{self.settings}".encode(), digest_size=16).hexdigest()

    def learning_rate_factor(self, step: int) -> float:
        return warm_up_and_decay(step, self.settings.warm_up, self.settings.steps)

    def batch(self, step: int, process: int, processes: int, /) -> Any:
        rows = [self._example(step * self.items + place) for place in range(process, self.items, processes)]
        return {"step": step, "examples": self.task.batch(rows)}

    def step(self, network: nn.Module, batch: Any, accelerator: Accelerator, /) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = network(batch["examples"], batch["step"])
        accelerator.backward(losses["loss"])
        return losses

    def validate(self) -> Entry:
        return self.task.evaluate()

    def score(self, entry: Entry) -> float:
        return entry[self.task.measure]

    def _example(self, place: int) -> int:
        """The example at a place of the endless order in which every pass over the data is another shuffle."""
        passed, place = divmod(place, self.task.examples)
        return int(self._order(passed)[place])

    def _shuffled(self, passed: int) -> NDArray[np.int64]:
        return np.random.default_rng((self.seed, passed)).permutation(self.task.examples)

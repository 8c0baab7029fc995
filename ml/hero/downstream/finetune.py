"""Fine-tuning of HERO on a downstream task, with the settings of the authors' public configurations.

See ``ml.harness`` for the loop and ``ml.hero.downstream.tasks`` for the tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.distributed import AllGather, Rows
from ml.harness import Entry, Runtime, Trainer
from ml.hero.model import encoders
from ml.hero.optimisation import adamw, warm_up_and_decay
from ml.parts import runs


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of a fine-tuning. ``batch`` is the number of examples per step over all processes.

    The heads' learning rate is ``head_factor`` times that of the rest. Validation runs every ``validate_every`` steps.
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


# GPUs x batch per GPU x accumulation steps of the published runs, as one batch.
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
    """A task's part of the training.

    ``network(batch, step)`` returns the rows of a batch that the losses need (``ml.harness.TrainTask``). ``heads`` are
    the parts of the network that are new in this task. ``identity`` names the data and the initial model. ``measure``
    is the metric of ``evaluate`` that selects the best model; greater is better.
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

    def read(self, number: int) -> Any:
        """A training example, as ``tokens`` and ``batch`` take it."""
        ...

    def tokens(self, example: Any) -> int:
        """Tokens of an example (``ml.parts``)."""
        ...

    def batch(self, examples: Sequence[Any]) -> Any:
        """Examples as a batch on the CPU."""
        ...

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        """This process's part of the losses (``ml.harness.TrainTask``)."""
        ...

    def evaluate(self) -> Entry:
        """Metrics on the validation split, over all its examples."""
        ...


def finetune(
    task: Task, settings: Settings, runtime: Runtime, progress: Callable[[Entry], None] | None = None
) -> list[Entry]:
    """Fine-tune; afterwards ``task.network`` holds the parameters with the best ``task.measure``.

    Returns:
        One entry per validation, as from ``ml.harness.Trainer.fit``.
    """
    trainer = Trainer(runtime, progress)
    task.network.to(trainer.device)
    return trainer.fit(FineTuning(task, settings))


def cut_to_limit(queries: Sequence[Sequence[int]], limit: int) -> tuple[list[list[int]], int]:
    """Queries cut to ``limit`` tokens, and how many were longer; the published code leaves those out."""
    return [list(query[:limit]) for query in queries], sum(len(query) > limit for query in queries)


class Part(NamedTuple):
    """Examples that a process computes at once in a step, and the tokens of each."""

    examples: Any
    step: int
    tokens: tuple[int, ...]


class _Network(nn.Module):
    """The forward pass of a task as a module of one argument."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, part: Part) -> Rows:
        rows: Rows = self.network(part.examples, part.step)
        return rows


@dataclass(frozen=True)
class ExampleBatches:
    """The batches of a fine-tuning by step (``ml.parts.Divisible``)."""

    task: Task
    settings: Settings
    part_tokens: int | None = None

    def __call__(self, step: int, process: int, processes: int) -> list[Part]:
        items = self.settings.batch
        places = range(step * items + process, (step + 1) * items, processes)
        examples = [self.task.read(self._number(place)) for place in places]
        tokens = tuple(map(self.task.tokens, examples))
        return [Part(self.task.batch(examples[own]), step, tokens[own]) for own in runs(tokens, self.part_tokens)]

    def in_parts(self, tokens: int) -> ExampleBatches:
        return replace(self, part_tokens=tokens)

    def tokens(self, part: Part) -> Sequence[int]:
        return part.tokens

    def _number(self, place: int) -> int:
        """The example at a position of the endless order, in which every pass over the data has its own shuffle."""
        passed, place = divmod(place, self.task.examples)
        return int(_shuffled(self.settings.seed, passed, self.task.examples)[place])


@lru_cache(maxsize=2)  # a batch may belong to two passes
def _shuffled(seed: int, passed: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, passed)).permutation(count)


class FineTuning:
    """A task and its settings as a ``TrainTask`` of ``ml.harness``."""

    repeated = False

    def __init__(self, task: Task, settings: Settings) -> None:
        if task.examples < 1:
            raise ValueError(f"{type(task).__name__}: no training example; check annotations and videos")
        self.task, self.settings = task, settings
        self.batches = self.divisible = ExampleBatches(task, settings)
        self.network, self.seed, self.steps = _Network(task.network), settings.seed, settings.steps
        self.compiled = encoders(task.network)
        self.steps_per_epoch, self.items = settings.validate_every, settings.batch
        self.max_norm: float | None = settings.max_norm
        self.hyper_parameters = {"task": type(task).__name__, **asdict(settings)}
        self.optimiser = adamw(
            task.network, settings.learning_rate, settings.weight_decay, task.heads, settings.head_factor
        )

    @property
    def identity(self) -> str:
        return hashlib.blake2b(f"{self.task.identity}/{self.settings}".encode(), digest_size=16).hexdigest()

    def learning_rate_factor(self, step: int) -> float:
        return warm_up_and_decay(step, self.settings.warm_up, self.settings.steps)

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        return self.task.losses(rows, step, all_gather)

    def validate(self) -> Entry:
        return self.task.evaluate()

    def score(self, entry: Entry) -> float:
        return entry[self.task.measure]

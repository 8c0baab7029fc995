"""Pre-training of HERO: every step has one task, drawn by its share, on a batch of videos.

The settings are those of the authors' public configuration ``pretrain-tv-16gpu.json``. See ``ml.harness`` for the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from math import log
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.distributed import AllGather, Rows
from ml.files import content_hash
from ml.gradient_caching import joined
from ml.harness import Entry, Runtime, Trainer
from ml.hero.batch import AlignedVideo, Video, Vocabulary, aligned, tokens_of
from ml.hero.config import HeroConfig
from ml.hero.model import Hero, encoders
from ml.hero.optimisation import adamw, warm_up_and_decay
from ml.hero.pretraining import fom, mfm, mlm, vsm
from ml.hero.pretraining.as_published import initialise_as_published, ranking_weights
from ml.hero.ranking import LossSettings
from ml.loading import on_device
from ml.parts import runs
from ml.training import seed_everything

TaskName = Literal["mlm", "mnce", "mffr", "fom", "vsm"]


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of the pre-training.

    ``shares`` are the relative frequencies of the tasks. ``batch`` is the number of videos per step over all processes.
    ``span_share`` is the share of the VSM steps that include the loss of moments. ``as_published`` starts and weighs
    the losses as the published code does (``ml.hero.pretraining.as_published``).
    """

    shares: Mapping[TaskName, int | float] = field(default_factory=lambda: {"mlm": 2, "mnce": 2, "fom": 1, "vsm": 2})
    steps: int = 1000
    warm_up: int = 100
    batch: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    max_norm: float = 1.0
    span_share: float = 0.2
    matching: LossSettings = field(default_factory=lambda: LossSettings(hard_from=20_000))
    validate_every: int = 500
    seed: int = 77
    as_published: bool = False

    def __post_init__(self) -> None:
        unknown = set(self.shares) - set(TASKS)
        if unknown or not any(self.shares.values()):
            raise ValueError(f"shares={dict(self.shares)}: need at least one of {', '.join(TASKS)}, and no other")
        if not 0 <= self.warm_up < self.steps:
            raise ValueError(f"warm_up={self.warm_up}, steps={self.steps}: must be 0 <= warm_up < steps")


TASKS: tuple[TaskName, ...] = ("mlm", "mnce", "mffr", "fom", "vsm")

VALIDATED_AT_ONCE = 16_384
"""Tokens of a part in validation, which needs less memory than training: more are not computed faster."""

PAPER = Settings(
    steps=100_000,
    warm_up=10_000,
    batch=16 * 32 * 2,
    learning_rate=3e-5,
    matching=LossSettings(hard_from=20_000, keep_false_negatives=True),
)
"""The published pre-training on TV: GPUs × batch per GPU × accumulation steps as one batch."""


class VideoSource(Protocol):
    """Videos by number; ``identity`` is a hash of their content."""

    @property
    def identity(self) -> str: ...

    def __len__(self) -> int: ...

    def take(self, numbers: Sequence[int], /) -> list[Video]: ...


class Part(NamedTuple):
    """Videos that a process computes at once, prepared for a task; ``with_spans`` adds the loss of moments to VSM.

    ``tokens`` are those of each video (``ml.hero.batch.tokens_of``), before VSM makes queries of some of its text.
    """

    task: TaskName
    drawn: Any
    with_spans: bool
    tokens: tuple[int, ...]


class _Network(nn.Module):
    """The forward pass of a task as one module, whose gradients several processes exchange."""

    def __init__(self, model: Hero) -> None:
        super().__init__()
        self.model = model

    def forward(self, part: Part) -> Rows:
        if part.task == "vsm":
            return vsm.rows(self.model, part.drawn, part.with_spans)
        forward: dict[str, Callable[[Hero, Any], Rows]] = {
            "mlm": mlm.rows,
            "mnce": mfm.contrastive_rows,
            "mffr": mfm.regression_rows,
            "fom": fom.rows,
        }
        return forward[part.task](self.model, part.drawn)


@dataclass(frozen=True)
class VideoBatches:
    """The batches of a pre-training by step (``ml.parts.Divisible``)."""

    videos: VideoSource
    vocabulary: Vocabulary
    config: HeroConfig
    settings: Settings
    part_tokens: int | None = None

    @property
    def items(self) -> int:
        """Videos per step."""
        return min(self.settings.batch, len(self.videos))

    def task_of(self, step: int) -> TaskName:
        """The task of a step."""
        names = [name for name in TASKS if self.settings.shares.get(name)]
        shares = np.array([self.settings.shares[name] for name in names], float)
        return names[np.random.default_rng((self.settings.seed, 1, step)).choice(len(names), p=shares / shares.sum())]

    def __call__(self, step: int, process: int, processes: int) -> list[Part]:
        """This process's videos of a step, in parts of at most ``part_tokens``, prepared for the step's task."""
        if self.items < processes:
            raise ValueError(f"{self.items} videos per step cannot be divided among {processes} processes")
        task, seed = self.task_of(step), self.settings.seed
        places = np.array_split(np.arange(self.items), processes)[process].tolist()
        spans = bool(np.random.default_rng((seed, 3, step)).random() < self.settings.span_share)
        videos = [aligned(video, self.config) for video in self.videos.take(self._numbers(step, places))]
        tokens = tuple(map(tokens_of, videos))
        return [
            Part(task, self.drawn(task, videos[own], places[own], (seed, 2, step)), spans, tokens[own])
            for own in runs(tokens, self.part_tokens)
        ]

    def in_parts(self, tokens: int) -> VideoBatches:
        return replace(self, part_tokens=tokens)

    def tokens(self, part: Part) -> Sequence[int]:
        return part.tokens

    def drawn(
        self, task: TaskName, videos: Sequence[AlignedVideo], places: Sequence[int], seed: tuple[int, ...]
    ) -> Any:
        """Videos prepared for a task; their positions in the step and ``seed`` determine the masks."""
        generators = [np.random.default_rng((*seed, place)) for place in places]
        return draw(task, videos, generators, places, self.vocabulary)

    def _numbers(self, step: int, places: Sequence[int]) -> list[int]:
        """Videos at positions of a step, in the endless order in which every pass has its own shuffle."""
        passes = (divmod(step * self.items + place, len(self.videos)) for place in places)
        return [int(_shuffled(self.settings.seed, passed, len(self.videos))[place]) for passed, place in passes]


@lru_cache(maxsize=2)  # a batch may belong to two passes
def _shuffled(seed: int, passed: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, 0, passed)).permutation(count)


class PreTraining:
    """Steps of pre-training, for ``ml.harness.Trainer``."""

    repeated = False

    def __init__(
        self,
        videos: VideoSource,
        validation: VideoSource | None,
        vocabulary: Vocabulary,
        model: Hero,
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.model, self.settings = model, settings
        self.seed, self.max_norm = settings.seed, settings.max_norm
        self.batches = self.divisible = VideoBatches(videos, vocabulary, model.config, settings)
        self.network = _Network(model).to(device)
        self.compiled = encoders(model)
        self.optimiser = adamw(self.network, settings.learning_rate, settings.weight_decay)
        self.steps, self.steps_per_epoch = settings.steps, min(settings.validate_every, settings.steps)
        self.items = self.batches.items
        self.hyper_parameters = {**asdict(settings), **asdict(model.config)}
        self.held_out = validation
        self.device = device

    @cached_property
    def identity(self) -> str:
        start = [float(tensor.double().sum()) for tensor in self.model.state_dict().values()]
        data = self.batches.videos.identity, self.batches.vocabulary
        settings = asdict(self.settings)
        # Checkpoints from when the settings had a number of videos per part are resumed.
        last = {name: settings.pop(name) for name in ("seed", "as_published")}
        settings |= {"chunk_videos": None, **last}
        return content_hash((settings, asdict(self.model.config), *data, start), digits=64)

    def learning_rate_factor(self, step: int) -> float:
        return warm_up_and_decay(step, self.settings.warm_up, self.settings.steps)

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        task = self.batches.task_of(step)
        loss = self.part(task, rows, all_gather, step)
        return {"loss": loss, task: loss}

    def part(self, task: TaskName, given: Rows, all_gather: AllGather, step: int) -> Tensor:
        """This process's part of a task's loss."""
        if task == "vsm":
            matching = self.settings.matching
            matching = ranking_weights(matching) if self.settings.as_published else matching
            return vsm.loss(given, all_gather, matching, step)
        losses: dict[str, Callable[[Rows, AllGather], Tensor]] = {
            "mlm": mlm.loss,
            "mnce": mfm.contrastive_loss,
            "mffr": mfm.regression_loss,
            "fom": fom.loss,
        }
        return losses[task](given, all_gather)

    @torch.inference_mode()
    def validate(self) -> Entry:
        """Each task's loss on the held-out videos, with the same masks every time, and in VSM with moments."""
        if self.held_out is None:
            return {}
        self.network.eval()
        found: Entry = {}
        for task in (name for name in TASKS if self.settings.shares.get(name)):
            total = 0.0
            for first in range(0, len(self.held_out), self.items):
                numbers = list(range(first, min(first + self.items, len(self.held_out))))
                total += len(numbers) * float(self.part(task, self._held_out_rows(task, numbers), lambda rows: rows, 0))
            found[f"validation_{task}"] = total / len(self.held_out)
        return found

    def _held_out_rows(self, task: TaskName, numbers: list[int]) -> Rows:
        assert self.held_out is not None
        videos = [aligned(video, self.model.config) for video in self.held_out.take(numbers)]
        rows = []
        for own in runs(list(map(tokens_of, videos)), VALIDATED_AT_ONCE):
            drawn = self.batches.drawn(task, videos[own], numbers[own], (0, 4))
            rows.append(self.network(Part(task, on_device(drawn, self.device), True, ())))
        return joined(rows)

    def score(self, entry: Entry) -> float:
        return score(entry)


def score(entry: Entry) -> float:
    """Minus the sum of the logarithms of the held-out losses, so that no loss dominates by its scale."""
    losses = [value for name, value in entry.items() if name.startswith("validation_")]
    return -sum(log(max(value, 1e-9)) for value in losses) if losses else entry["epoch"]


def draw(
    task: TaskName,
    videos: Sequence[AlignedVideo],
    generators: Sequence[np.random.Generator],
    places: Sequence[int],
    vocabulary: Vocabulary,
) -> Any:
    """A task's batch of videos; one generator per video draws its masks or queries."""
    if task == "mlm":
        return mlm.draw(videos, generators, vocabulary)
    if task == "vsm":
        return vsm.draw(videos, generators, places)
    return fom.draw(videos, generators) if task == "fom" else mfm.draw(videos, generators)


def pretrain(
    videos: VideoSource,
    validation: VideoSource | None,
    vocabulary: Vocabulary,
    config: HeroConfig,
    settings: Settings,
    runtime: Runtime,
    progress: Callable[[Entry], None] | None = None,
    initial: Mapping[str, Tensor] | None = None,
    kind: type[Hero] = Hero,
) -> tuple[Hero, list[Entry]]:
    """Pre-train; the same inputs give the same model on a CPU.

    Args:
        videos: the training videos.
        validation: videos for the validation losses; None for none.
        vocabulary: the tokens that masked language modelling replaces words by.
        initial: initial values of all or some parameters; the others are random.
        kind: HERO, or an encoder with its interface.

    Returns:
        The model that is best on the held-out videos (the last one if there are none), and one entry per validation:
        ``epoch``, the mean loss and that of each task, ``validation_<task>``, ``learning_rate``, ``seconds`` and
        ``items_per_s``.

    Raises:
        ValueError: there is no video.
    """
    if not len(videos):
        raise ValueError("no video has frame features: nothing to pre-train on")
    trainer = Trainer(runtime, progress)
    seed_everything(settings.seed)
    model = kind(config)
    if settings.as_published:
        initialise_as_published(model)
    if initial is not None:
        model.load_state_dict(initial, strict=False)
    history = trainer.fit(PreTraining(videos, validation, vocabulary, model, settings, trainer.device))
    return model.cpu().eval(), history

"""The weakly supervised component model of CrossTask (arXiv 1903.08225, section 4, and its published code).

Steps share classifiers of components, which are learned from narration only. A step's score is the mean over its
components, by default its words, so that "pour juice" helps to find "pour milk".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.crosstask.dynamic_program import align_steps, uniform_steps
from ml.crosstask.evaluation import Localisation, Split, localise
from ml.crosstask.files import CrossTask, Task, TaskVideo, step_mask
from ml.distributed import AllGather, Rows, mean_over_processes
from ml.files import content_hash
from ml.harness import Entry, Runtime, Trainer

Sharing = Literal["words", "task_words", "steps", "none"]


@dataclass(frozen=True)
class Config:
    """The published schedule."""

    seed: int = 0
    sharing: Sharing = "words"
    dropout: float = 0.7
    narration_weight: float = 1e4
    """λ: cost of a step outside the time window of the narration."""
    learning_rate: float = 1e-5
    random_epochs: int = 30
    """Epochs with random assignments within the time windows of the narration."""
    epochs: int = 30
    """Epochs that alternate between assignment and learning."""


class ComponentModel(nn.Module):
    """``score[t, k] = mean over the components m of step k of (W · dropout(x_t) + b)_m``.

    Args:
        dim: numbers of a feature row.
        tasks: the tasks whose steps are divided into components.
    """

    def __init__(self, dim: int, tasks: Mapping[str, Task], sharing: Sharing = "words", dropout: float = 0.7) -> None:
        super().__init__()
        parts = {task_id: [_components(task, step, sharing) for step in task.steps] for task_id, task in tasks.items()}
        self.components = sorted({part for steps in parts.values() for step in steps for part in step})
        row = {component: number for number, component in enumerate(self.components)}
        self.numbers = {task_id: number for number, task_id in enumerate(parts)}
        for task_id, steps in parts.items():
            shares = torch.zeros(len(row), len(steps))
            for column, step in enumerate(steps):
                shares[[row[part] for part in step], column] = 1
            self.register_buffer(f"shares_{self.numbers[task_id]}", shares / shares.sum(0), persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim, len(row))

    def shares(self, task_id: str) -> Tensor:
        """Share of each component in each step of a task, ``A[components, steps]``."""
        return self.get_buffer(f"shares_{self.numbers[task_id]}")

    def forward(self, rows: Tensor, task_id: str) -> Tensor:
        """``rows[seconds, dim] -> scores[seconds, steps]``."""
        scores: Tensor = self.linear(self.dropout(rows)) @ self.shares(task_id)
        return scores


def assignment_loss(scores: Tensor, assigned: Tensor, outside: Tensor, narration_weight: float) -> Tensor:
    """``Σ_k mean_t Y[t, k] (λ C[t, k] − log softmax_k(scores[t]))``, all arguments ``[seconds, steps]``.

    Args:
        assigned: Y, 1 where a step is placed; outside: C, 1 outside the time window of the narration.
    """
    return (assigned * (narration_weight * outside - scores.log_softmax(1))).mean(0).sum()


def assignment_gradient(
    model: ComponentModel, rows: Tensor, task_id: str, assigned: Tensor, outside: Tensor, config: Config
) -> Tensor:
    """Gradient by Y of the loss after one step of gradient descent, ``F(Y) = L(Y) − η/2 ‖∇_W,b L(Y)‖²``.

    L is linear in Y, and its gradient by the weights is ``A Gᵀ X`` with ``G = (y p − Y) / T``, y the steps assigned to
    a second and p their softmax. So the gradient has a closed form, without second derivatives:
    ``(λ C − log p)/T − η/T (p·q − q)`` with ``q = (X Xᵀ + 1) G AᵀA``.

    Returns:
        ``[seconds, steps]``.
    """
    with torch.no_grad():
        kept = model.dropout(rows)
        shares = model.shares(task_id)
        logarithm = functional.log_softmax(model.linear(kept) @ shares, 1)
        softmax, seconds = logarithm.exp(), len(rows)
        gradient = (assigned.sum(1, keepdim=True) * softmax - assigned) / seconds
        by_component = gradient @ shares.T
        of_weights, of_bias = by_component.T @ kept, by_component.sum(0)
        change = (kept @ of_weights.T + of_bias) @ shares
        lookahead = (softmax * change).sum(1, keepdim=True) - change
        return (config.narration_weight * outside - logarithm - config.learning_rate * lookahead) / seconds


def train_components(
    data: CrossTask,
    tasks: Mapping[str, Task],
    videos: Sequence[TaskVideo],
    config: Config,
    progress: Callable[[dict[str, float]], None] | None = None,
    tensorboard: Path | None = None,
    device: torch.device | str = "cpu",
) -> ComponentModel:
    """Learn from narration: first with random assignments in its time windows, then with those of the model.

    Videos without features, or with fewer seconds than steps, are left out. The same inputs give the same model.

    Args:
        tasks: all tasks of the videos, which share components.
        progress: called after each epoch with its entry (``ml.harness``) and ``videos``.
        tensorboard: folder of the event file (``ml.curves``); None writes none.
        device: where the model is trained; it stays there.

    Raises:
        ValueError: no video is usable for training.
    """
    usable = [video for video in videos if _seconds(data, video) >= len(tasks[video.task_id].steps)]
    if not usable:
        raise ValueError(f"none of {len(videos)} videos has features of one second per step: nothing to train on")
    trainer = Trainer(Runtime(device=str(device), tensorboard=tensorboard), progress)
    task = ComponentTask(data, tasks, usable, config, trainer.device)
    trainer.fit(task)
    return task.model.eval()


class Part(NamedTuple):
    """A video of a step: its features ``[seconds, dim]``, and 1 outside the time window of each step ``outside``.

    ``assigned[seconds, steps]`` are random assignments within the windows; None if the model assigns.
    """

    video: int
    task_id: str
    rows: Tensor
    outside: Tensor
    assigned: Tensor | None


@dataclass(frozen=True)
class VideoSteps:
    """The videos of a training by step (``ml.loading.Batches``); each pass has its own order.

    Every process gets the same video, because an assignment depends on all of its seconds.
    """

    data: CrossTask
    tasks: Mapping[str, Task]
    videos: Sequence[TaskVideo]
    config: Config

    def __call__(self, step: int, process: int, processes: int) -> list[Part]:
        passed, index = divmod(step, len(self.videos))
        number = int(np.random.default_rng((self.config.seed, 0, passed)).permutation(len(self.videos))[index])
        video = self.videos[number]
        rows = torch.from_numpy(self.data.features(video)).float()
        steps = len(self.tasks[video.task_id].steps)
        outside = (~step_mask(self.data.constraint(video), len(rows), steps)).astype(np.float32)
        assigned = None
        if passed < self.config.random_epochs:
            costs = np.random.default_rng((self.config.seed, 1, step)).random(outside.shape) + outside
            assigned = _assignment(align_steps([costs])[0], len(rows))
        return [Part(number, video.task_id, rows, torch.from_numpy(outside), assigned)]


class _Assigning(nn.Module):
    """Assigns the steps of a video and has the loss; ``placed`` has the latest assignments of all videos."""

    placed: Tensor

    def __init__(self, model: ComponentModel, config: Config, frames: Sequence[NDArray[np.int64]]) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.ends = np.cumsum([0, *map(len, frames)]).tolist()
        # A buffer is a part of a checkpoint, so a resumed training continues with these assignments.
        self.register_buffer("placed", torch.from_numpy(np.concatenate(frames)))

    def forward(self, part: Part) -> Rows:
        own = slice(*self.ends[part.video : part.video + 2])
        assigned = part.assigned
        if assigned is None:
            before = functional.one_hot(self.placed[own], len(part.rows)).T.to(part.rows.dtype)
            costs = assignment_gradient(self.model, part.rows, part.task_id, before, part.outside, self.config)
            # Dynamic programming runs on the host, which waits here for the device, once per step.
            assigned = _assignment(align_steps([costs.cpu().numpy()])[0], len(part.rows)).to(part.rows.device)
        self.placed[own] = assigned.argmax(0)
        scores = self.model(part.rows, part.task_id)
        return {"loss": assignment_loss(scores, assigned, part.outside, self.config.narration_weight)[None]}


class ComponentTask:
    """Steps of one video each, for ``ml.harness.Trainer``."""

    max_norm: float | None = None
    divisible = None
    repeated = True
    items = 1

    def __init__(
        self,
        data: CrossTask,
        tasks: Mapping[str, Task],
        videos: Sequence[TaskVideo],
        config: Config,
        device: torch.device,
    ) -> None:
        self.config, self.seed, self.videos = config, config.seed, len(videos)
        self.batches = VideoSteps(data, tasks, videos, config)
        torch.manual_seed(config.seed)
        self.model = ComponentModel(data.features(videos[0]).shape[1], tasks, config.sharing, config.dropout)
        frames = [uniform_steps(_seconds(data, video), len(tasks[video.task_id].steps)) for video in videos]
        self.network: nn.Module = _Assigning(self.model, config, frames).to(device)
        self.compiled: Sequence[nn.Module] = ()  # one small product per step
        self.optimiser = torch.optim.Adam(self.model.parameters(), config.learning_rate, fused=device.type != "mps")
        self.steps_per_epoch = len(videos)
        self.steps = (config.random_epochs + config.epochs) * len(videos)
        self.hyper_parameters = asdict(config)
        self.identity = content_hash((asdict(config), tasks, videos, [len(each) for each in frames]), digits=64)

    def learning_rate_factor(self, step: int) -> float:
        return 1.0

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        return {"loss": mean_over_processes(rows["loss"], all_gather)}

    def validate(self) -> Entry:
        return {"videos": float(self.videos)}

    def score(self, entry: Entry) -> float:
        return entry["epoch"]


@torch.inference_mode()
def component_costs(model: ComponentModel, task: Task, rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """``−log softmax`` of the steps' scores, ``C[seconds, steps]``."""
    features = torch.from_numpy(rows).to(model.linear.weight.device).float()
    return -model.eval()(features, task.task_id).log_softmax(1).cpu().numpy()


def weakly_supervised(
    data: CrossTask,
    split: Split,
    config: Config,
    use_related: bool = True,
    tensorboard: Path | None = None,
    device: torch.device | str = "cpu",
) -> Localisation:
    """Train on the training videos of a split and localise the steps of its test videos.

    Args:
        use_related: whether to train on the tasks without annotation too.
        tensorboard: folder of the event file (``ml.curves``); None writes none.
        device: where the model is trained and applied.
    """
    primary = data.primary()
    tasks = {**primary, **(data.related() if use_related else {})}
    videos = [video for video in split.training if video.task_id in tasks]
    model = train_components(data, tasks, videos, config, tensorboard=tensorboard, device=device)
    return localise(data, primary, split.test, lambda task, rows: component_costs(model, task, rows))


def _components(task: Task, step: str, sharing: Sharing) -> list[str]:
    match sharing:
        case "words":
            return step.split(" ")
        case "task_words":
            return [f"{task.task_id}_{word}" for word in step.split(" ")]
        case "steps":
            return [step]
        case "none":
            return [f"{task.task_id}_{step}"]


def _seconds(data: CrossTask, video: TaskVideo) -> int:
    return len(data.features(video)) if data.has_features(video) else 0


def _assignment(frames: NDArray[np.int64], seconds: int) -> Tensor:
    assigned = torch.zeros(seconds, len(frames))
    assigned[frames, np.arange(len(frames))] = 1
    return assigned

"""The weakly supervised component model of CrossTask (arXiv 1903.08225, section 4, and its published code).

Steps share classifiers of components, which are learned from narration only. A step's score is the mean over its
components, by default its words, so that "pour juice" helps to find "pour milk".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.crosstask.dynamic_program import align_steps, uniform_steps
from ml.crosstask.evaluation import Localisation, Split, localise
from ml.crosstask.files import CrossTask, Task, TaskVideo, step_mask
from ml.curves import Curves

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
        progress: called after each epoch with ``epoch``, ``loss`` (mean over the videos) and ``videos``.
        tensorboard: folder of the event file (``ml.curves``); None writes none.
        device: where the model is trained; it stays there. The assignments are made on the CPU.

    Raises:
        ValueError: no video is usable for training.
    """
    usable = [video for video in videos if _seconds(data, video) >= len(tasks[video.task_id].steps)]
    if not usable:
        raise ValueError(f"none of {len(videos)} videos has features of one second per step: nothing to train on")
    torch.manual_seed(config.seed)
    generator = np.random.default_rng(config.seed)
    model = ComponentModel(data.features(usable[0]).shape[1], tasks, config.sharing, config.dropout)
    device = torch.device(device)
    model.to(device).train()
    optimiser = torch.optim.Adam(model.parameters(), config.learning_rate)
    frames = {video: uniform_steps(_seconds(data, video), len(tasks[video.task_id].steps)) for video in usable}

    def pass_over_videos(assign_at_random: bool) -> float:
        """Assign and learn once per video; the sum of the losses."""
        total = torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
        for index in generator.permutation(len(usable)):
            video = usable[index]
            rows, outside = (each.to(device) for each in _tensors(data, tasks, video))
            if assign_at_random:
                costs = generator.random(outside.shape) + outside.cpu().numpy()
            else:
                assigned = _assignment(frames[video], len(rows)).to(device)
                costs = assignment_gradient(model, rows, video.task_id, assigned, outside, config).cpu().numpy()
            frames[video] = align_steps([costs])[0]
            assigned = _assignment(frames[video], len(rows)).to(device)
            loss = assignment_loss(model(rows, video.task_id), assigned, outside, config.narration_weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach()
        return float(total)

    with Curves(tensorboard) as curves:
        for epoch in range(1, config.random_epochs + config.epochs + 1):
            loss = pass_over_videos(epoch <= config.random_epochs) / len(usable)
            entry = {"epoch": epoch, "loss": loss, "videos": len(usable)}
            curves.add(entry)
            if progress is not None:
                progress(entry)
    return model.eval()


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


def _tensors(data: CrossTask, tasks: Mapping[str, Task], video: TaskVideo) -> tuple[Tensor, Tensor]:
    """Features ``[seconds, dim]``, and 1 outside the time window of each step ``[seconds, steps]``."""
    rows = torch.from_numpy(data.features(video)).float()
    allowed = step_mask(data.constraint(video), len(rows), len(tasks[video.task_id].steps))
    return rows, torch.from_numpy(~allowed).float()


def _assignment(frames: NDArray[np.int64], seconds: int) -> Tensor:
    assigned = torch.zeros(seconds, len(frames))
    assigned[frames, np.arange(len(frames))] = 1
    return assigned

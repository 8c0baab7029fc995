"""Step localisation on CrossTask: zero-shot by the joint embedding, and the protocol of random splits.

See ``ml.crosstask.components`` for the weakly supervised model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ml.crosstask.dynamic_program import align_steps, uniform_steps
from ml.crosstask.files import CrossTask, Task, TaskVideo, step_mask
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.text_video import encode_captions
from ml.metrics.localization import StepHits, step_hits, step_recall
from ml.text.tokens import published_tokens
from ml.text.word_vectors import WordVectors, pad

TRAINING_VIDEOS = 30
SPLITS = 20
STEP_WORDS = 30
"""Maximum number of words of a step's text."""

Costs = NDArray[np.floating]


@dataclass(frozen=True)
class Split:
    """Training videos and test videos."""

    training: list[TaskVideo]
    test: list[TaskVideo]


def random_split(
    videos: Iterable[TaskVideo], primary: Collection[str], seed: int, training_videos: int = TRAINING_VIDEOS
) -> Split:
    """Of each primary task, ``training_videos`` random videos for training and the others for the test.

    Videos of all other tasks, and of primary tasks with no more videos than that, are for training.
    """
    generator = np.random.default_rng(seed)
    of_task: dict[str, list[TaskVideo]] = {}
    for video in videos:
        of_task.setdefault(video.task_id, []).append(video)
    split = Split([], [])
    for task_id in sorted(of_task):
        own = of_task[task_id]
        if task_id not in primary or len(own) <= training_videos:
            split.training.extend(own)
            continue
        chosen = set(generator.choice(len(own), training_videos, replace=False).tolist())
        split.training.extend(own[each] for each in sorted(chosen))
        split.test.extend(video for each, video in enumerate(own) if each not in chosen)
    return split


def published_splits(data: CrossTask) -> list[Split]:
    """The 20 random splits of the published protocol, by their seeds."""
    return [random_split(data.videos(), data.primary(), seed) for seed in range(SPLITS)]


def second_vectors(streams: Sequence[NDArray[np.floating]], seconds: int) -> NDArray[np.float32]:
    """Clip vectors of each second: rows of each stream max-pooled to ``seconds`` bins, L2-normalised, concatenated.

    Args:
        streams: ``[rows, dim]`` of one video by each network, at any rates.
    """
    pooled = [
        functional.adaptive_max_pool1d(torch.from_numpy(np.ascontiguousarray(rows)).float().T, seconds).T
        for rows in streams
    ]
    return torch.cat([functional.normalize(rows, dim=1) for rows in pooled], 1).numpy()


@torch.inference_mode()
def similarity_costs(
    model: JointEmbedding, words: WordVectors, vectors: NDArray[np.floating], steps: Sequence[str]
) -> NDArray[np.float32]:
    """``−s(step, second)`` as ``C[seconds, steps]``, from clip vectors ``[seconds, dim]``.

    Raises:
        ValueError: the vectors have other dimensions than the model.
    """
    if vectors.shape[1] != model.video.project.in_features:
        wanted = model.video.project.in_features
        raise ValueError(f"clip vectors of {vectors.shape[1]} numbers, but the model takes {wanted}")
    device = model.video.project.weight.device
    ids = pad(words.ids(steps, STEP_WORDS, published_tokens), STEP_WORDS)
    text = encode_captions(model.eval(), words, ids)
    video = model.encode_video(torch.from_numpy(vectors).to(device).float())
    return embedding_costs(text.cpu().numpy(), video.cpu().numpy())


def embedding_costs(text: NDArray[np.float32], video: NDArray[np.floating]) -> NDArray[np.float32]:
    """``−s(step, second)`` as ``C[seconds, steps]``, from vectors ``text[steps, dim]`` and ``video[seconds, dim]``."""
    costs: NDArray[np.float32] = -(torch.from_numpy(video).float() @ torch.from_numpy(text).T).numpy()
    return costs


@dataclass(frozen=True)
class Localisation:
    """Predictions of a method: ``hits`` of each annotated video, and for each other video the reason."""

    hits: dict[TaskVideo, StepHits]
    left_out: dict[TaskVideo, str]


def localise(
    data: CrossTask,
    tasks: Mapping[str, Task],
    videos: Sequence[TaskVideo],
    costs: Callable[[Task, NDArray[np.floating]], Costs],
    block: int = 256,
) -> Localisation:
    """Localise the steps of each video by dynamic programming, and compare with its annotation.

    Args:
        costs: from a task and the features ``[seconds, dim]`` of a video to ``C[seconds, steps]``.
        block: videos whose costs are in memory at once.
    """
    result = Localisation({}, {})
    for first in range(0, len(videos), block):
        placed, truths, prices = [], [], []
        for video in videos[first : first + block]:
            task, annotation = tasks[video.task_id], data.annotation(video)
            features = data.features(video) if data.has_features(video) else None
            reason = _reason(features, annotation is not None, len(task.steps))
            if features is None or annotation is None or reason:
                result.left_out[video] = reason
                continue
            placed.append(video)
            truths.append(step_mask(annotation, len(features), len(task.steps)))
            prices.append(costs(task, features))
        for video, truth, frames in zip(placed, truths, align_steps(prices), strict=True):
            result.hits[video] = step_hits(video.task_id, frames, truth)
    return result


def zero_shot(data: CrossTask, videos: Sequence[TaskVideo], model: JointEmbedding, words: WordVectors) -> Localisation:
    """Localisation without training; the features must be clip vectors of the model, one per second."""
    return localise(data, data.primary(), videos, lambda task, rows: similarity_costs(model, words, rows, task.steps))


def uniform(data: CrossTask, videos: Sequence[TaskVideo]) -> Localisation:
    """The baseline that distributes the steps evenly."""

    def costs(task: Task, rows: NDArray[np.floating]) -> Costs:
        prices = np.zeros((len(rows), len(task.steps)))
        prices[uniform_steps(len(rows), len(task.steps)), np.arange(len(task.steps))] = -1
        return prices

    return localise(data, data.primary(), videos, costs)


def recall_over_splits(found: Localisation, splits: Iterable[Split]) -> dict[str, float]:
    """Both recalls (``ml.metrics.localization``) on the test videos, mean over the splits, and their deviation.

    For methods without training, whose predictions are the same in every split.
    """
    return mean_of_splits(
        step_recall(found.hits[video] for video in split.test if video in found.hits) for split in splits
    )


def mean_of_splits(recalls: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric over the splits, and of both recalls ``<name>_deviation``, the standard deviation."""
    every = list(recalls)
    values = {name: np.array([each[name] for each in every]) for name in every[0]}
    deviations = {f"{name}_deviation": float(value.std()) for name, value in values.items() if name != "queries"}
    return {**{name: float(value.mean()) for name, value in values.items()}, **deviations, "splits": float(len(every))}


def _reason(features: NDArray[np.floating] | None, annotated: bool, steps: int) -> str:
    if features is None:
        return "no features"
    if not annotated:
        return "no annotation"
    return f"{len(features)} seconds are too few for {steps} steps" if len(features) < steps else ""

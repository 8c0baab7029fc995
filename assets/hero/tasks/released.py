"""Evaluation of a converted HERO on a benchmark's published files, without a training step or a lake. Imports torch.

See ``ml.hero.downstream.released`` for the conversion.
"""

from __future__ import annotations

from pathlib import Path

from assets.hero.options import TASKS, VOCABULARY_FILES
from assets.models.folder import model_version
from ml.harness import Entry
from ml.hero.config import HeroConfig
from ml.hero.downstream.benchmarks import BENCHMARKS
from ml.hero.downstream.finetune import Task
from ml.hero.downstream.released import load_network
from ml.hero.downstream.tasks.captioning import Captioning
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval
from ml.hero.model import Hero
from ml.hero.tokenizer import HeroTokenizer, load_tokenizer, published
from ml.training import pick_device, read_model_folder

TOKENIZER = "hero_tokenizer"
"""Model folder of a vocabulary that was trained here, next to that of the model."""


def evaluate_released(folder: Path, task: str, data: Path, vocabulary: Path | None, device: str) -> dict[str, Entry]:
    """The metrics of a task's validation split, by the identity of the model and, for moments, the kind of scores.

    Args:
        folder: model folder of a HERO, with the task's head if it needs one.
        task: name in ``BENCHMARKS``.
        data: folder of the annotations, the features and the subtitles.
        vocabulary: folder of RoBERTa's vocabulary; None for the one that was trained with the model.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the files do not fit the task or each other.
    """
    loaded = load_task(folder, task, data, vocabulary, device)
    identity = f"{folder.name}@{str(model_version(folder))[:8]}"
    if isinstance(loaded, MomentRetrieval):
        return {f"{identity}, {scores}": entry for scores, entry in loaded.evaluate_both_ways().items()}
    return {identity: loaded.evaluate_with_coco() if isinstance(loaded, Captioning) else loaded.evaluate()}


def load_task(folder: Path, task: str, data: Path, vocabulary: Path | None, device: str) -> Task:
    """A task with its validation split and the network of a model folder; arguments as for ``evaluate_released``."""
    benchmark = BENCHMARKS[task]
    _, path = benchmark.paths(data)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no annotations of {TASKS[task]}; --data must be the folder of its files")
    tokenizer = _tokenizer(folder, vocabulary)
    config = HeroConfig(**read_model_folder(folder).config["model"])
    if len(tokenizer) > config.vocabulary:
        raise ValueError(f"a vocabulary of {len(tokenizer)} tokens, but {folder} knows {config.vocabulary}")
    loaded = benchmark.task(Hero(config), benchmark.examples(data, tokenizer, training=False))
    load_network(folder, loaded.network, benchmark.head)
    loaded.network.to(pick_device(device)).eval()
    return loaded


def _tokenizer(folder: Path, vocabulary: Path | None) -> HeroTokenizer:
    if vocabulary is not None:
        return published(*(vocabulary / name for name in VOCABULARY_FILES))
    if (folder.parent / TOKENIZER).is_dir():
        return load_tokenizer(folder.parent / TOKENIZER)
    raise FileNotFoundError(f"{folder}: set HOWTO_HERO_VOCABULARY to the folder of RoBERTa's vocab.json and merges.txt")

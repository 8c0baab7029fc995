"""Training the joint embedding on the lake, and its word vectors.

Belongs here: from manifest and pairs to model folders. The learning itself is ``ml.joint_embedding``. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import torch

from assets.lake import Lake
from assets.training.options import EmbeddingOptions
from assets.training.pairs import LakePairs, captions_of
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.train import Config, History, train
from ml.text.word_vectors import train_word_vectors
from ml.training import pick_device, read_model_folder, write_model_folder


def train_words(
    folder: Path, lake: Lake, manifest: pl.DataFrame, options: EmbeddingOptions, provenance: Mapping[str, Any]
) -> dict[str, float]:
    """Learn word vectors from the captions of all usable videos and write them as a model folder.

    Of every split: like the published vectors, they know the language of the evaluation but see no video of it. With
    the training videos alone, a small folder's other captions would have no known word.
    """
    captions = captions_of(lake, manifest)["caption_clean"]
    words = train_word_vectors(captions.to_list(), options.word_dim, options.seed)
    metrics: dict[str, float] = {"words": len(words.words), "captions": len(captions)}
    write_model_folder(
        folder,
        {"vectors": torch.from_numpy(words.vectors)},
        config={"dim": words.dim, "words": words.words},
        metrics=metrics,
        history=[],
        inputs=provenance,
    )
    return metrics


def train_joint_embedding(
    folder: Path,
    pairs: LakePairs,
    manifest: pl.DataFrame,
    options: EmbeddingOptions,
    provenance: Mapping[str, Any],
    device: str,
    progress: Callable[[dict[str, float]], None],
) -> tuple[History, dict[str, float]]:
    """Learn from the training videos, choose the epoch by the validation videos, write the model folder.

    Returns:
        One entry an epoch, and the entry of the chosen epoch.
    """
    words = pairs.words()
    config = Config(
        seed=options.seed,
        embedding_dim=options.embedding_dim,
        epochs=options.epochs,
        videos_per_batch=options.videos_per_batch,
        pairs_per_video=options.pairs_per_video,
        learning_rate=options.learning_rate,
        lr_decay=options.lr_decay,
    )
    training, validation = (
        pairs.read(manifest.filter(pl.col("split") == split), words) for split in ("train", "validation")
    )
    model, history = train(training, validation, words, config, pick_device(device), progress)
    chosen = max(history, key=lambda entry: entry.get("validation_R@10", entry["epoch"]))
    write_model_folder(
        folder,
        model.state_dict(),
        config={**asdict(config), "video_dim": model.video.project.in_features, "word_dim": words.dim},
        metrics=chosen,
        history=history,
        inputs={
            **provenance,
            "stream": pairs.stream,
            "lance_versions": pairs.versions(manifest),
            "videos": {"train": len(training), "validation": len(validation)},
        },
    )
    return history, chosen


def load_joint_embedding(folder: Path) -> JointEmbedding:
    """The trained model, in evaluation mode, on the CPU."""
    stored = read_model_folder(folder)
    sizes = ("video_dim", "word_dim", "embedding_dim", "sentence_dim", "mask_padding")
    model = JointEmbedding(**{name: stored.config[name] for name in sizes})
    model.load_state_dict(stored.state)
    return model.eval()

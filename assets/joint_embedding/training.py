"""Training the joint embedding and its word vectors on the lake. Imports torch.

See ``ml.joint_embedding`` for the model and its training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import torch

from assets.joint_embedding.options import EmbeddingOptions, WordOptions
from assets.joint_embedding.pairs import places
from assets.lake import Lake
from assets.models.options import RuntimeOptions
from ml.curves import tensorboard_folder
from ml.harness import Runtime
from ml.joint_embedding.job import Job
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.train import Config
from ml.text.tokens import tokenize
from ml.text.word_vectors import read_word_vectors, train_word_vectors
from ml.training import write_model_folder


def train_words(
    folder: Path,
    lake: Lake,
    manifest: pl.DataFrame,
    options: EmbeddingOptions,
    word_options: WordOptions,
    provenance: Mapping[str, Any],
) -> dict[str, float]:
    """Write word vectors as a model folder, trained on the captions of all usable videos or read from a file.

    Of a file, only the words of these captions are kept. Captions of all splits are used: as with the published
    vectors, the vocabulary covers the evaluation, whose videos are not seen. With training videos alone, few captions
    of a small collection's other splits would have known words.
    """
    clips = lake.read("clips").pl(lazy=True).select("video_id", "clip_index", "caption_clean")
    wanted = manifest.lazy().select("video_id")
    captions = clips.join(wanted, on="video_id", how="semi").sort("video_id", "clip_index").collect()["caption_clean"]
    if word_options.path is None:
        words = train_word_vectors(captions.to_list(), options.word_dim, options.seed)
    else:
        said = {word for caption in captions for word in tokenize(caption)}
        words = read_word_vectors(word_options.path, said)
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


def embedding_job(
    folder: Path,
    word_vectors: Path,
    pairs: PairStore,
    manifest: pl.DataFrame,
    options: EmbeddingOptions,
    runtime: RuntimeOptions,
    provenance: Mapping[str, Any],
) -> Job:
    """The training job. An interrupted job continues from its last checkpoint.

    Args:
        folder: model folder to write.
        word_vectors: model folder of the word vectors.
    """
    config = {name: value for name, value in asdict(options).items() if name in Config.__dataclass_fields__}
    return Job(
        output=folder,
        word_vectors=word_vectors,
        pairs=str(pairs.root),
        training=places(manifest, "train"),
        validation=places(manifest, "validation"),
        config=Config(**config),
        runtime=Runtime(
            device=runtime.device,
            precision=runtime.precision,
            compile=runtime.compile,
            workers=runtime.workers,
            part_tokens=runtime.part_tokens,
            checkpoints=folder.with_name(f".{folder.name}.checkpoints"),
            tensorboard=tensorboard_folder(folder),
        ),
        provenance=dict(provenance),
    )

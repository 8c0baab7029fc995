"""Text-video models by name. Imports torch.

See ``ml.text_video`` for the models and ``assets.joint_embedding.options`` for their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.decode import prepared_picture
from assets.features.extract import BATCH, Progress, VideoFile, extract_shard
from assets.features.index import index_rows
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.options import OPEN_CLIP, S3D, TextVideoOptions, WordOptions
from assets.joint_embedding.pairs import video_streams
from assets.lake import load_tables
from assets.models.folder import model_version
from ml.joint_embedding.clip_index import ClipEmbeddings
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.search import embedded_clips, tower_clips
from ml.joint_embedding.text_video import JointTextVideo, TextVideoModel
from ml.joint_embedding.train import load_words
from ml.text.tokens import published_tokens, tokenize
from ml.text.word_vectors import read_word_vectors
from ml.text_video.model import Tower
from ml.training import pick_device
from ml.vision.presets import Options

INDEX = "text_video_index"
"""Table of the feature rows of a model with a feature network of its own."""


def load_tower(options: TextVideoOptions, features: FeatureOptions) -> Tower | None:
    """The configured model if it has a feature network of its own; None for the lake's joint embedding.

    Args:
        features: device, precision and files of weights.

    Raises:
        WeightsError: its files are missing or do not fit each other.
        ImportError: open_clip is not installed.
    """
    runtime = Options(device=str(pick_device(features.device)), autocast=features.bfloat16, compile=features.compile)
    if options.model == S3D:
        from ml.text_video.s3d import S3DTextVideo

        return S3DTextVideo(runtime, dict(features.weights).get(S3D))
    if options.model.startswith(OPEN_CLIP):
        from ml.text_video.open_clip import OpenClipTextVideo

        return OpenClipTextVideo(Path(options.model.removeprefix(OPEN_CLIP)), runtime)
    return None


def load_joint_embedding(model_root: Path, device: str = "cpu") -> JointTextVideo:
    """The joint embedding, on a device, and the word vectors of a folder of model folders.

    Raises:
        FileNotFoundError: one of them has not been trained.
    """
    folder = model_root / "joint_embedding"
    model, words = JointEmbedding.from_pretrained(folder), load_words(model_root / "word_vectors")
    model.to(pick_device(device))
    return JointTextVideo(model, words, f"joint_embedding@{str(model_version(folder))[:8]}", tokenize)


def converted_joint_embedding(folder: Path, words: WordOptions, texts: Iterable[str]) -> JointTextVideo:
    """A released joint embedding that was converted, with the published word vectors of some texts' words.

    Raises:
        ValueError: the word vectors are not configured, or of another length than the model's.
    """
    if words.path is None:
        raise ValueError(
            f"{folder}: set HOWTO_WORD_VECTORS to the file of word vectors that the model was trained with"
        )
    model = JointEmbedding.from_pretrained(folder)
    known = read_word_vectors(words.path, {word for text in texts for word in published_tokens(text)})
    if known.dim != model.sentence.word.in_features:
        raise ValueError(
            f"{words.path}: vectors of {known.dim} numbers, but {folder} takes {model.sentence.word.in_features}"
        )
    return JointTextVideo(model, known, f"{folder.name}@{str(model_version(folder))[:8]}", published_tokens)


def encode_picture(tower: Tower, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The vector ``[dimension]`` of a picture ``[height, width, 3]`` by a model whose network takes single pictures."""
    assert tower.picture is not None
    rows = tower.network(prepared_picture(picture, tower.picture)[None, None])
    return tower.project(rows)[0]


@dataclass(frozen=True)
class LakeModel:
    """A text-video model, and the reader of the feature rows of the lake that it takes.

    ``rows`` is None for a joint embedding whose clips are the stored pairs.
    """

    model: TextVideoModel
    rows: FeatureReader | None = None

    def embedded_clips(self, pairs: PairStore, shards: Sequence[str]) -> Iterator[ClipEmbeddings]:
        """Embeddings of all stored clips, one block at a time."""
        if isinstance(self.model, JointTextVideo):
            return embedded_clips(self.model.model, pairs, shards)
        assert self.rows is not None
        return tower_clips(self.model, pairs, shards, partial(video_streams, self.rows))


def lake_model(
    options: TextVideoOptions, features: FeatureOptions, store: FeatureStore, index: pl.DataFrame, model_root: Path
) -> LakeModel:
    """The configured model, with the rows of its own feature network.

    Args:
        features: names the device.
        store: feature arrays of the lake.
        index: rows of ``text_video_index``, of one shard or of all.
    """
    tower = load_tower(options, features)
    if tower is None:
        return LakeModel(load_joint_embedding(model_root, features.device))
    return LakeModel(tower, FeatureReader(index, store, [tower.stream]))


def tower_index(
    tower: Tower | None,
    files: Sequence[VideoFile],
    store: FeatureStore,
    shard: str,
    progress: Progress | None = None,
    batch: int = BATCH,
) -> pl.DataFrame:
    """Extract the feature rows of one shard's videos: rows of ``text_video_index``; none without a tower."""
    if tower is None:
        return load_tables()[INDEX].frame([])
    with store.locked(shard):
        outcomes = extract_shard(files, [tower.network], store, shard, progress, batch)
    makers = {tower.stream: (tower.network.dim, tower.network.fingerprint)}
    return index_rows(outcomes, {tower.stream: store.array(tower.stream, shard)}, makers, shard, INDEX)

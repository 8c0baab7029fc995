"""Text-video models by name. Imports torch.

See ``ml.text_video`` for the models and ``assets.joint_embedding.options`` for their names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from assets.features.options import FeatureOptions
from assets.joint_embedding.options import OPEN_CLIP, S3D, TextVideoOptions, WordOptions
from assets.models.folder import model_version
from ml.joint_embedding.model import JointEmbedding
from ml.joint_embedding.train import load_words
from ml.text.tokens import published_tokens, tokenize
from ml.text.word_vectors import read_word_vectors
from ml.text_video.joint_embedding import JointTextVideo
from ml.text_video.model import TextVideoModel, Tower
from ml.training import pick_device
from ml.vision.presets import Options


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


def load_joint_embedding(model_root: Path) -> JointTextVideo:
    """The joint embedding and the word vectors of a folder of model folders.

    Raises:
        FileNotFoundError: one of them has not been trained.
    """
    folder = model_root / "joint_embedding"
    model, words = JointEmbedding.from_pretrained(folder), load_words(model_root / "word_vectors")
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


def load_model(options: TextVideoOptions, features: FeatureOptions, model_root: Path) -> TextVideoModel:
    """The configured model."""
    return load_tower(options, features) or load_joint_embedding(model_root)

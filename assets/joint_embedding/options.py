"""Options of the joint embedding, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from assets.contents import Contents
from assets.models.folder import model_version
from assets.options import ContentOf, ExistingFile, ExistingFolder, Options, Seed, Variable

ALIGNER_MODELS = ("joint_embedding", "word_vectors")
"""Model folders that an aligner consists of."""


@dataclass(frozen=True)
class EmbeddingOptions(Options):
    """Size and schedule of the joint embedding."""

    group: ClassVar = "Joint embedding"
    prefix: ClassVar = "embedding_"

    seed: Seed = 0
    word_dim: Annotated[int, Variable("word_dim"), Field(ge=1, description="length of a learned word vector")] = 300
    embedding_dim: Annotated[
        int, Variable("embedding_dim"), Field(ge=1, description="length of the joint embedding")
    ] = 256
    epochs: Annotated[int, Field(ge=1, description="passes over the training videos")] = 40
    videos_per_batch: Annotated[int, Field(ge=2, description="videos per batch (B)")] = 16
    pairs_per_video: Annotated[int, Field(ge=1, description="clip-caption pairs per video in a batch (K)")] = 16
    learning_rate: Annotated[float, Field(gt=0, description="step size of Adam")] = 3e-4
    lr_decay: Annotated[float, Field(gt=0, le=1, description="factor of the step size after each epoch")] = 0.97


def must_hold_models(folder: Path | None) -> Path | None:
    """The folder, if it holds the models of an aligner.

    Raises:
        ValueError: one is missing.
    """
    missing = [name for name in ALIGNER_MODELS if folder and model_version(folder / name) is None]
    if missing:
        raise ValueError(f"no model folder {' and no model folder '.join(missing)} is in it")
    return folder


def aligner_version(folder: Path, contents: Contents) -> Any:
    """What such a folder counts by."""
    return [model_version(folder / name) for name in ALIGNER_MODELS]


@dataclass(frozen=True)
class PairOptions(Options):
    """How clip-caption pairs are made: captions shorter than ``min_time_s`` seconds are extended over their neighbours.

    With ``aligner``, a folder of the model folders joint_embedding and word_vectors, captions are instead moved to
    the window that the model matches best, and dropped where their cosine with that window is below ``min_alignment``.
    """

    group: ClassVar = "Joint embedding"

    min_time_s: Annotated[
        float,
        Variable("min_clip_s"),
        Field(ge=0, description="seconds below which a caption is extended over its neighbours"),
    ] = 5.0
    aligner: Annotated[
        ExistingFolder | None,
        AfterValidator(must_hold_models),
        ContentOf(aligner_version),
        Field(
            description="folder of earlier models (joint_embedding, word_vectors) that move captions to the time"
            " at which their content is visible, before training"
        ),
    ] = None
    min_alignment: Annotated[
        float, Field(ge=-1, le=1, description="cosine with its window below which a moved caption is dropped")
    ] = -1.0


@dataclass(frozen=True)
class WordOptions(Options):
    """Word vectors from a file instead of learned ones."""

    group: ClassVar = "Joint embedding"

    path: Annotated[
        ExistingFile | None,
        Variable("word_vectors"),
        Field(description="file of word vectors (word2vec .bin or text, GloVe); not set: learned from the captions"),
    ] = None


JOINT_EMBEDDING, S3D, OPEN_CLIP = "joint_embedding", "s3d", "open_clip:"
"""Names of text-video models; the last one is followed by a folder."""


def must_name_model(name: str) -> str:
    """The name of a text-video model, with its folder's path written out.

    Raises:
        ValueError: it names no model.
    """
    if name in (JOINT_EMBEDDING, S3D):
        return name
    folder = name.removeprefix(OPEN_CLIP)
    if folder == name or not folder:
        raise ValueError(f"must be {JOINT_EMBEDDING}, {S3D} or {OPEN_CLIP}<folder>")
    path = Path(folder).expanduser()
    if not (path / "open_clip_config.json").is_file():
        raise ValueError(f"{path} holds no open_clip_config.json; it must be a folder that open_clip reads")
    return f"{OPEN_CLIP}{path}"


def _text_video_version(name: str, contents: Contents) -> Any:
    return contents.version(Path(name.removeprefix(OPEN_CLIP))) if name.startswith(OPEN_CLIP) else name


@dataclass(frozen=True)
class TextVideoOptions(Options):
    """The model that compares texts with clips: the lake's own joint embedding, or one with published weights."""

    group: ClassVar = "Joint embedding"

    model: Annotated[
        str,
        Variable("text_video_model"),
        AfterValidator(must_name_model),
        ContentOf(_text_video_version),
        Field(
            description="model of the search page and of zero-shot evaluations: joint_embedding, s3d (weights by"
            " HOWTO_WEIGHTS) or open_clip:<folder>"
        ),
    ] = JOINT_EMBEDDING

    @property
    def own(self) -> bool:
        """Whether it is the lake's joint embedding."""
        return self.model == JOINT_EMBEDDING

"""Options of the joint embedding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EmbeddingOptions:
    """Size and schedule of the joint embedding."""

    seed: int
    word_dim: int
    embedding_dim: int
    epochs: int
    videos_per_batch: int
    pairs_per_video: int
    learning_rate: float
    lr_decay: float


@dataclass(frozen=True)
class PairOptions:
    """How clip-caption pairs are made: captions shorter than ``min_time_s`` seconds are grown by their neighbours.

    With ``aligner``, a folder of the model folders joint_embedding and word_vectors, captions are instead moved to
    where that model sees them, and left out where their cosine with that window is below ``min_alignment``.
    ``aligner_version`` changes with those models.
    """

    min_time_s: float = 5.0
    aligner: Path | None = None
    aligner_version: str | None = None
    min_alignment: float = -1.0


@dataclass(frozen=True)
class WordOptions:
    """Word vectors from a file instead of learned ones; ``version`` changes with it."""

    path: Path | None = None
    version: str = ""

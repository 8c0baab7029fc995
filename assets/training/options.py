"""Options of the models, free of torch: settings become these, and the training code turns them into its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


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
class ClusterGCNOptions:
    """Size and schedule of the Cluster-GCN."""

    seed: int
    hidden_dim: int
    layers: int
    epochs: int
    clusters_per_batch: int
    diagonal_lambda: float
    neighbour_dropout: float


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


@dataclass(frozen=True)
class RuntimeOptions:
    """How models are trained. Of these only the precision may change a result, by rounding.

    ``processes`` 0 trains within the run's own process, more by that many processes of torchrun.
    """

    precision: Literal["no", "bf16", "fp16"]
    device: str = field(repr=False)
    compile: bool = field(repr=False)
    processes: int = field(repr=False)

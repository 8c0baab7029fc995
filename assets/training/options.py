"""Options of the models, free of torch: settings become these, and the training code turns them into its own."""

from __future__ import annotations

from dataclasses import dataclass


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

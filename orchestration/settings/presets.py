"""Presets of settings, by their names in lower case without ``HOWTO_``."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {},
    "paper": {
        "shards": 1200,
        "features": "howto100m",
        "synthetic_tasks": 23611,
        "synthetic_videos_per_task": 200,
        "embedding_dim": 4096,
        "embedding_epochs": 15,
        "embedding_videos_per_batch": 32,
        "embedding_pairs_per_video": 64,
        "embedding_learning_rate": 1e-4,
        "embedding_lr_decay": 0.9,
        "benchmark_epochs": 50,
        "hero_size": "paper",
        "hero_steps": 100_000,
        "hero_batch": 1024,
        "hero_learning_rate": 3e-5,
        "hero_fine_tuning_steps": 5000,
        "precision": "bf16",
        "compile": True,
        "loader_workers": 4,
        "part_tokens": 200_000,
        "gcn_hidden_dim": 400,
        "gcn_clusters": 15000,
        "gcn_clusters_per_batch": 10,
    },
}
"""Changes from the defaults. ``paper``: HowTo100M section 4, HERO on TV, and Cluster-GCN's settings of Amazon2M.

Precision, compilation, workers and the size of parts are those for one GPU of 80 GB."""

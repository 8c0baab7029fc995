"""Training a Cluster-GCN on a published graph by the published settings. Imports torch when it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from assets.graph.clusters import cluster_count, clusters_of, edge_cut
from assets.graph.published.graphs import Published, PublishedError
from assets.progress import TrainingProgress


def train_by_preset(published: Published, preset: str, log: Callable[[str], None], **changes: Any) -> dict[str, float]:
    """Partition the graph, train and score by a preset of ``ml.cluster_gcn.presets``; ``changes`` override its fields.

    Returns:
        Micro-F1 of the validation and of the test nodes, predicted with all edges of the graph.

    Raises:
        PublishedError: the preset does not exist.
    """
    from ml.cluster_gcn.presets import PRESETS
    from ml.cluster_gcn.train import predict, train
    from ml.metrics.classification import micro_f1

    if preset not in PRESETS:
        raise PublishedError(f"--preset {preset}: must be one of {', '.join(PRESETS)}")
    config = replace(PRESETS[preset], **changes)
    graph = published.graph
    seen = np.flatnonzero(graph.splits == "train") if config.inductive else None
    graph = replace(graph, clusters=clusters_of(graph.adjacency, config.clusters, config.seed, seen))
    made = f"{cluster_count(graph.clusters)} clusters of {config.clusters} requested"
    log(f"{made}; edges between them: {edge_cut(graph.adjacency, graph.clusters):.1%}")
    model, _ = train(graph, config, progress=TrainingProgress(log, config.epochs))
    scores = predict(model, graph, config)
    predicted = scores > 0 if graph.multi_label else scores.argmax(axis=1)
    held_out = {split: graph.nodes(split) for split in ("validation", "test")}
    return {split: micro_f1(graph.labels[nodes], predicted[nodes]) for split, nodes in held_out.items() if len(nodes)}

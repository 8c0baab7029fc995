"""Training on a published graph by published settings: Cluster-GCN, and GraphSAGE and GCN by a plain recipe.

Imports torch when it trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.graph.clusters import cluster_count, clusters_of, edge_cut
from assets.graph.published.graphs import Published, PublishedError
from assets.progress import TrainingProgress

if TYPE_CHECKING:
    from ml.cluster_gcn.data import GraphData
    from ml.cluster_gcn.plain import PlainConfig
    from ml.cluster_gcn.train import Config


def train_by_preset(published: Published, preset: str, log: Callable[[str], None], **changes: Any) -> dict[str, float]:
    """Train and score by a preset of ``ml.cluster_gcn.presets`` or ``ml.cluster_gcn.plain``.

    Args:
        changes: override fields of the preset.

    Returns:
        Micro-F1 of the validation and of the test nodes, predicted with all edges of the graph. With one label per
        node it is the accuracy.

    Raises:
        PublishedError: the preset does not exist, or has no such field.
    """
    from ml.cluster_gcn.plain import PLAIN_PRESETS
    from ml.cluster_gcn.presets import PRESETS
    from ml.metrics.classification import micro_f1

    presets: dict[str, Any] = {**PRESETS, **PLAIN_PRESETS}
    if preset not in presets:
        raise PublishedError(f"--preset {preset}: must be one of {', '.join(presets)}")
    fields = presets[preset].__dataclass_fields__
    unused = [name for name in changes if name not in fields]
    if unused:
        raise PublishedError(f"--preset {preset}: has no {', '.join(unused)}")
    graph = published.graph
    if preset in PLAIN_PRESETS:
        scores = _plain_scores(graph, replace(PLAIN_PRESETS[preset], **changes), log)
    else:
        scores = _cluster_gcn_scores(graph, replace(PRESETS[preset], **changes), log)
    predicted = scores > 0 if graph.multi_label else scores.argmax(axis=1)
    held_out = {split: graph.nodes(split) for split in ("validation", "test")}
    return {split: micro_f1(graph.labels[nodes], predicted[nodes]) for split, nodes in held_out.items() if len(nodes)}


def _cluster_gcn_scores(graph: GraphData, config: Config, log: Callable[[str], None]) -> np.ndarray:
    from ml.cluster_gcn.train import predict, train

    seen = np.flatnonzero(graph.splits == "train") if config.inductive else None
    graph = replace(graph, clusters=clusters_of(graph.adjacency, config.clusters, config.seed, seen))
    made = f"{cluster_count(graph.clusters)} clusters of {config.clusters} requested"
    log(f"{made}; edges between them: {edge_cut(graph.adjacency, graph.clusters):.1%}")
    model, _ = train(graph, config, progress=TrainingProgress(log, config.epochs))
    return predict(model, graph, config)


def _plain_scores(graph: GraphData, config: PlainConfig, log: Callable[[str], None]) -> np.ndarray:
    from ml.cluster_gcn.plain import plain_scores, train_plain

    log(f"{config.parts} random parts of the nodes per epoch")
    model, _ = train_plain(graph, config, progress=TrainingProgress(log, config.epochs))
    return plain_scores(model, graph, config, "cpu")

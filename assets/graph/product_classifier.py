"""Training the Cluster-GCN on the co-purchase graph, and predicting with it. Imports torch.

See ``ml.cluster_gcn`` for the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from assets.graph.options import ClusterGCNOptions, GraphOptions
from ml.cluster_gcn.data import GraphData
from ml.cluster_gcn.model import ClusterGCN
from ml.cluster_gcn.train import Config, chosen_epoch, predict, train
from ml.curves import tensorboard_folder
from ml.training import pick_device, read_model_folder, write_model_folder


def train_cluster_gcn(
    folder: Path,
    graph: GraphData,
    options: ClusterGCNOptions,
    graph_options: GraphOptions,
    provenance: Mapping[str, Any],
    device: str,
    progress: Callable[[dict[str, float]], None],
) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Train on the training products, choose the epoch by the validation products, write the model folder.

    Returns:
        One entry per epoch, and the entry of the chosen epoch.
    """
    config = gcn_config(options, graph_options)
    checkpoints = folder.with_name(f".{folder.name}.checkpoints")
    model, history = train(graph, config, pick_device(device), progress, tensorboard_folder(folder), checkpoints)
    chosen = chosen_epoch(history)
    write_model_folder(
        folder,
        model.state_dict(),
        config={**given(config), "classes": list(graph.classes), "features": graph.features.shape[1]},
        metrics=chosen,
        history=history,
        inputs={**provenance, "nodes": len(graph.labels), "edges": graph.adjacency.nnz // 2},
    )
    return history, chosen


def given(config: Config) -> dict[str, Any]:
    """The fields of a configuration without those that are not set."""
    return {name: value for name, value in asdict(config).items() if value is not None}


def gcn_config(options: ClusterGCNOptions, graph: GraphOptions) -> Config:
    """The network and its schedule under the current options."""
    return Config(
        seed=options.seed,
        hidden_dim=options.hidden_dim,
        layers=options.layers,
        epochs=options.epochs,
        diagonal_lambda=options.diagonal_lambda,
        neighbour_dropout=options.neighbour_dropout,
        clusters=graph.clusters,
        clusters_per_batch=options.clusters_per_batch,
        inductive=graph.inductive,
    )


def stored_config(folder: Path) -> Config:
    """The configuration of the stored model."""
    stored = read_model_folder(folder).config
    return Config(**{name: stored[name] for name in Config.__dataclass_fields__ if name in stored})


def predicted_classes(folder: Path, graph: GraphData, device: str) -> np.ndarray:
    """``predicted[nodes]`` of the trained model, which uses all edges of the graph."""
    target = pick_device(device)
    model = ClusterGCN.from_pretrained(folder).to(target)
    return predict(model, graph, stored_config(folder), target).argmax(axis=1)

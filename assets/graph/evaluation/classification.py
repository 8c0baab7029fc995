"""Classification of held-out products by the model and its baselines. Imports torch and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assets.graph.product_classifier import predicted_classes, stored_config
from ml.cluster_gcn.baselines import logistic_regression, majority, multilayer_perceptron
from ml.cluster_gcn.data import GraphData
from ml.metrics.classification import accuracy, macro_f1


def held_out_classification(folder: Path, graph: GraphData, split: str, device: str) -> dict[str, dict[str, float]]:
    """Metrics by method: of the model, and of baselines that use the same features without edges."""
    nodes = graph.nodes(split)
    predictions: dict[str, np.ndarray] = {
        "cluster_gcn": predicted_classes(folder, graph, device),
        "multilayer_perceptron": multilayer_perceptron(graph, stored_config(folder)),
        "logistic_regression": logistic_regression(graph),
        "majority_class": majority(graph),
    }
    truth = graph.labels[nodes]
    return {
        method: {
            "accuracy": accuracy(truth, predicted[nodes]),
            "macro_f1": macro_f1(truth, predicted[nodes]),
            "queries": len(nodes),
        }
        for method, predicted in predictions.items()
    }

"""Published settings of Cluster-GCN (arXiv 1905.07953, tables 3 and 4 and section 4.1; the authors' defaults).

Belongs here: values by data set. They hold for the graphs that the paper used, whose readers are elsewhere.
"""

from __future__ import annotations

from ml.cluster_gcn.train import Config


def _published(hidden_dim: int, layers: int, clusters: int, clusters_per_batch: int, epochs: int) -> Config:
    return Config(
        hidden_dim=hidden_dim,
        layers=layers,
        clusters=clusters,
        clusters_per_batch=clusters_per_batch,
        epochs=epochs,
        learning_rate=0.01,
        dropout=0.2,
        weight_decay=0.0,
        class_weighting=0.0,
        diagonal_lambda=1.0,
        inductive=True,
    )


PRESETS: dict[str, Config] = {
    "ppi": _published(hidden_dim=512, layers=3, clusters=50, clusters_per_batch=1, epochs=400),
    "ppi_best": _published(hidden_dim=2048, layers=5, clusters=50, clusters_per_batch=1, epochs=400),
    "reddit": _published(hidden_dim=128, layers=4, clusters=1500, clusters_per_batch=20, epochs=400),
    "amazon": _published(hidden_dim=128, layers=3, clusters=200, clusters_per_batch=1, epochs=400),
    "amazon2m": _published(hidden_dim=400, layers=4, clusters=15000, clusters_per_batch=10, epochs=400),
}
"""Settings by data set. The number of epochs is the default of the authors' code."""

"""Models with and without edges, on communities that only the edges separate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from assets.graph.studies.own_features import REFERENCE, compare, figure, same_label_weight
from assets.lake import Lake, load_tables
from ml.cluster_gcn.data import UNLABELLED
from ml.cluster_gcn.train import Config
from orchestration.artifacts.tables import contract_violations
from tests.ml.cluster_gcn.graphs import planted_communities

GRAPH = planted_communities()
CONFIG = Config(hidden_dim=8, epochs=12, clusters=6, clusters_per_batch=2)


def test_edges_predict_what_features_do_not(lake: Lake) -> None:
    lines: list[str] = []
    study = compare({"poor": GRAPH}, CONFIG, seeds=(0, 1), progress=lines.append)
    assert len(study) == len(lines) == 9
    accuracy = dict(study.group_by("model").agg(pl.col("accuracy").mean()).iter_rows())
    assert accuracy["Cluster-GCN"] > accuracy[REFERENCE] + 0.1
    own = study.filter(model=REFERENCE)
    assert own["fixed"].sum() == own["regressed"].sum() == 0
    seen = study.filter(model="Cluster-GCN", seed=0).row(0, named=True)
    gained = seen["fixed"] - seen["regressed"]
    difference = seen["accuracy"] - own.filter(seed=0)["accuracy"][0]
    assert round(difference * len(GRAPH.nodes("validation"))) == gained
    lake.write("own_features_study", study)
    assert contract_violations(lake, load_tables()["own_features_study"], None) == {}
    assert len(figure(study).axes) == 3


def test_the_weight_that_stays_in_a_label_by_hand() -> None:
    share = same_label_weight(GRAPH)
    node = int(GRAPH.nodes("validation")[0])
    row = GRAPH.adjacency[[node]].toarray()[0]
    trained = np.where(GRAPH.trained, row, 0)
    assert share[node] == trained[GRAPH.labels == GRAPH.labels[node]].sum() / trained.sum()


def test_labels_of_test_nodes_do_not_change_a_score() -> None:
    labels = GRAPH.labels.copy()
    labels[GRAPH.nodes("test")] = UNLABELLED
    studies = [compare({"poor": graph}, CONFIG, (0,), progress=str) for graph in (GRAPH, replace(GRAPH, labels=labels))]
    assert studies[0].equals(studies[1])

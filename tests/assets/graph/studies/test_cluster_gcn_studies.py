"""Comparing trainings of a Cluster-GCN, on communities that METIS finds and chance does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.graph.edges import GraphError
from assets.graph.studies.cluster_gcn import PROPAGATIONS, compare, depth_trials, memory_trials, partition_trials
from assets.lake import Lake, load_tables
from assets.models.study_plots import lines_figure
from ml.cluster_gcn.train import Config
from orchestration.artifacts.tables import contract_violations
from tests.ml.cluster_gcn.graphs import planted_communities

GRAPH = planted_communities()
CONFIG = Config(hidden_dim=8, epochs=3, clusters=6, clusters_per_batch=2)


def test_partitions_are_compared_by_what_they_cut() -> None:
    lines: list[str] = []
    trials = partition_trials(["planted"], CONFIG, seeds=(0,))
    study = compare("partition", {"planted": GRAPH}, trials, "auto", lines.append)
    assert len(study) == len(lines) == 6 and study["clusters_per_batch"].unique().sort().to_list() == [1, 5]
    cut = dict(study.group_by("method").agg(pl.col("edge_cut").mean()).iter_rows())
    assert max(cut["METIS clusters"], cut["KaMinPar clusters"]) < 0.75 * cut["random clusters"]
    made = study.filter(pl.col("method") != "random clusters")
    assert made["partition_seconds"].min() > 0 and made["partition_mib"].min() >= 0
    assert study["partition_seconds"].null_count() == 2 and study["clusters"].unique().to_list() == [6]
    assert lines[0].startswith("METIS clusters on planted; 3 layers of 8, Ã (eq 10); 1 of 6 clusters per batch")
    assert study["memory_mib"].null_count() == len(study)


def test_depths_are_those_of_plain_layers() -> None:
    trials = depth_trials("planted", CONFIG, seeds=(0,), depths=(1, 3))
    assert all(trial.config.layer_norm and not trial.config.concat for trial in trials)
    study = compare("depth", {"planted": GRAPH}, trials)
    assert sorted(study["propagation"].unique()) == sorted(PROPAGATIONS) and len(study) == 8
    assert len(lines_figure(study, "layers", ("accuracy", "loss"), ("propagation", "method")).axes) == 2


@pytest.mark.campaign
def test_memory_is_measured_in_a_process_for_each_training() -> None:
    """The widths differ so much that what a process needs for anything else does not matter."""
    trials = memory_trials("planted", CONFIG, depths=(2,), widths=(8, 16384))
    full_batches = [trial for trial in trials if trial.method == "full batch"]
    study = compare("memory", {"planted": GRAPH}, full_batches, "auto")
    narrow, wide = study.sort("hidden_dim")["memory_mib"]
    assert wide > narrow + 20
    assert study["clusters"].to_list() == [0, 0] and study["edge_cut"].null_count() == 2


def test_a_study_is_a_part_of_its_table(tmp_path: Path) -> None:
    study = compare("depth", {"planted": GRAPH}, depth_trials("planted", CONFIG, seeds=(0,), depths=(2,)))
    lake = Lake(tmp_path)
    lake.write("cluster_gcn_studies", study, "depth")
    assert not contract_violations(lake, load_tables()["cluster_gcn_studies"], "depth")


def test_labels_of_test_nodes_do_not_change_a_score() -> None:
    labels = np.where(GRAPH.splits == "test", 0, GRAPH.labels)
    trials = partition_trials(["planted"], CONFIG, seeds=(0,))[-1:]
    first, second = (
        compare("partition", {"planted": graph}, trials).drop("epoch_seconds")
        for graph in (GRAPH, replace(GRAPH, labels=labels))
    )
    assert first.equals(second)


def test_more_clusters_than_nodes_are_named() -> None:
    trials = partition_trials(["planted"], replace(CONFIG, clusters=400), seeds=(0,))
    with pytest.raises(GraphError, match="400 clusters of 300 nodes"):
        compare("partition", {"planted": GRAPH}, trials)

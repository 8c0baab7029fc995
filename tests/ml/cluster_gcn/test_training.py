"""Training on graphs with known communities, and errors for unusable graphs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from ml.cluster_gcn.baselines import logistic_regression, majority, multilayer_perceptron
from ml.cluster_gcn.data import UNLABELLED, GraphData, GraphDataError, check
from ml.cluster_gcn.presets import PRESETS
from ml.cluster_gcn.sampling import train_by_sampling
from ml.cluster_gcn.train import Config, chosen_epoch, predict, train
from ml.metrics.classification import accuracy, micro_f1
from tests.ml.cluster_gcn.graphs import planted_communities

CONFIG = Config(hidden_dim=16, epochs=12, learning_rate=0.02, clusters=6, clusters_per_batch=2)


@pytest.mark.parametrize("inductive", [True, False])
def test_planted_communities_are_learned_from_the_edges(inductive: bool) -> None:
    graph = planted_communities()
    config = replace(CONFIG, inductive=inductive)
    model, history = train(graph, config)
    test = graph.nodes("test")
    truth = graph.labels[test]
    learned = accuracy(truth, predict(model, graph, config).argmax(axis=1)[test])
    without_edges = {"lr": logistic_regression(graph), "mlp": multilayer_perceptron(graph, config)}
    assert learned > 0.8 > max(accuracy(truth, predicted[test]) for predicted in without_edges.values())
    assert all(
        accuracy(truth, predicted[test]) > accuracy(truth, majority(graph)[test])
        for predicted in without_edges.values()
    )
    validation = graph.nodes("validation")
    again = accuracy(graph.labels[validation], predict(model, graph, config).argmax(axis=1)[validation])
    chosen = chosen_epoch(history)
    assert again == chosen["validation_accuracy"]
    assert all(
        row["validation_accuracy"] + row["validation_macro_f1"]
        <= chosen["validation_accuracy"] + chosen["validation_macro_f1"]
        for row in history
    )
    assert all(row["peak_memory_mib"] > 0 for row in history)


def test_several_labels_per_node_are_learned() -> None:
    graph = planted_communities(multi_label=True)
    config = replace(CONFIG, epochs=25)
    model, history = train(graph, config)
    test = graph.nodes("test")
    said = predict(model, graph, config)[test] > 0
    assert micro_f1(graph.labels[test], said) > 0.85
    assert chosen_epoch(history)["validation_micro_f1"] == max(row["validation_micro_f1"] for row in history)


def test_neighbour_sampling_learns_the_same() -> None:
    graph = planted_communities()
    model, history = train_by_sampling(graph, replace(CONFIG, layers=2), fanout=5, nodes_per_batch=64)
    test = graph.nodes("test")
    assert accuracy(graph.labels[test], predict(model, graph, CONFIG).argmax(axis=1)[test]) > 0.8
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_same_seed_gives_the_same_bits_and_progress() -> None:
    graph = planted_communities()
    rows: list[dict[str, float]] = []
    first, history = train(graph, CONFIG, progress=rows.append)
    second, _ = train(graph, CONFIG)
    other, _ = train(graph, replace(CONFIG, seed=1))
    assert rows == [{**row, "of": 12} for row in history] and [row["epoch"] for row in rows] == list(range(1, 13))
    weights = [list(model.state_dict().values()) for model in (first, second, other)]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_an_interrupted_training_ends_with_the_same_model(tmp_path: Path) -> None:
    graph = planted_communities()
    whole, history = train(graph, CONFIG)

    def interrupt(entry: dict[str, float]) -> None:
        if entry["epoch"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(graph, CONFIG, progress=interrupt, checkpoints=tmp_path)
    epochs: list[float] = []
    resumed, continued = train(
        graph, CONFIG, progress=lambda entry: epochs.append(entry["epoch"]), checkpoints=tmp_path
    )
    assert epochs == list(range(5, 13))
    assert [entry["loss"] for entry in continued] == [entry["loss"] for entry in history]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor)


@pytest.mark.parametrize("multi_label", [True, False])
def test_training_does_not_use_held_out_labels(multi_label: bool) -> None:
    graph = planted_communities(multi_label=multi_label)
    labels = graph.labels.copy()
    labels[graph.splits == "test"] = 0 if multi_label else UNLABELLED
    with_labels, _ = train(graph, CONFIG)
    without, _ = train(replace(graph, labels=labels), CONFIG)
    np.testing.assert_array_equal(predict(with_labels, graph, CONFIG), predict(without, graph, CONFIG))


def test_inductive_training_does_not_use_held_out_nodes() -> None:
    graph = planted_communities()
    config = replace(CONFIG, inductive=True)
    held_out = graph.splits == "test"
    cut = graph.adjacency.toarray()
    cut[held_out] = cut[:, held_out] = 0
    features = np.where(held_out[:, None], 0, graph.features)
    without = replace(graph, adjacency=sparse.csr_array(cut), features=features)
    alike = replace(without, splits=np.where(graph.splits == "validation", "none", graph.splits))
    whole = replace(graph, splits=alike.splits)
    models = [train(given, config)[0].state_dict() for given in (whole, alike)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_without_validation_nodes_the_last_epoch_is_chosen() -> None:
    graph = planted_communities(60)
    no_validation = replace(graph, splits=np.where(graph.splits == "validation", "train", graph.splits))
    _, history = train(no_validation, CONFIG)
    assert chosen_epoch(history) is history[-1] and "validation_accuracy" not in history[0]


def with_features(graph: GraphData, value: float) -> GraphData:
    features = graph.features.copy()
    features[7, 3] = value
    return replace(graph, features=features)


def with_edge(graph: GraphData, there: float, back: float, a: int = 0, b: int = 1) -> GraphData:
    dense = graph.adjacency.toarray()
    dense[a, b], dense[b, a] = there, back
    return replace(graph, adjacency=sparse.csr_array(dense))


SMALL = planted_communities(30)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (replace(SMALL, splits=np.full(30, "test")), "no labelled node in the split train: the graph has 30 nodes"),
        (with_features(SMALL, np.nan), "1 features are NaN or infinite, first: node 7, feature 3"),
        (with_features(SMALL, -np.inf), "1 features are NaN or infinite"),
        (replace(SMALL, labels=SMALL.labels + 1), "labels 1 to 3 of 3 classes: must be 0 to 2, or -1"),
        (
            replace(SMALL, labels=np.ones((30, 2), int)),
            r"labels \(30, 2\) of 3 classes: need a column each, of 0 and 1",
        ),
        (replace(SMALL, labels=np.full((30, 3), 2)), r"labels \(30, 3\) of 3 classes"),
        (replace(SMALL, splits=SMALL.splits[1:]), "labels of 30 nodes, but splits of 29"),
        (with_edge(SMALL, 1, 0), "the adjacency is not symmetric, for instance at node [01]"),
        (with_edge(SMALL, -1, -1), "an edge's weight is negative"),
        (with_edge(SMALL, np.nan, np.nan), "an edge's weight is negative or NaN"),
        (with_edge(SMALL, 1, 1, 4, 4), "1 nodes have a loop"),
    ],
)
def test_an_unusable_graph_is_an_error(graph: GraphData, message: str) -> None:
    for learn in (train, train_by_sampling):
        with pytest.raises(GraphDataError, match=message):
            learn(graph, CONFIG)


def test_a_graph_of_one_node_is_an_error() -> None:
    one = GraphData(
        sparse.csr_array([[0.0]]), np.ones((1, 2)), np.array([0]), np.array(["train"]), np.array([0]), ("a",)
    )
    with pytest.raises(GraphDataError, match="a graph of 1 nodes: need at least 2"):
        check(one)


@pytest.mark.parametrize("multi_label", [True, False])
def test_classes_that_only_held_out_nodes_have_are_named(multi_label: bool) -> None:
    graph = planted_communities(30)
    labels = graph.labels.copy()
    labels[(graph.splits == "train") & (labels == 1)] = 0
    if multi_label:
        labels = np.eye(3, dtype=np.uint8)[labels]
    assert replace(graph, labels=labels).not_learnable() == ["class 1"]
    assert graph.not_learnable() == []


@pytest.mark.parametrize("name", PRESETS)
def test_published_settings_train(name: str) -> None:
    graph = planted_communities(60, multi_label=name.startswith(("ppi", "amazon")) and name != "amazon2m")
    config = replace(PRESETS[name], epochs=2, hidden_dim=32)
    _, history = train(graph, config)
    assert len(history) == 2 and np.isfinite(history[-1]["loss"])

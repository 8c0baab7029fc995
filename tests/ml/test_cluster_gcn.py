"""Cluster-GCN against its formulas in plain float64, and on a graph whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch import nn

from ml.cluster_gcn.baselines import logistic_regression, majority
from ml.cluster_gcn.batches import ClusterBatches
from ml.cluster_gcn.data import UNLABELLED, GraphData
from ml.cluster_gcn.model import ClusterGCN
from ml.cluster_gcn.normalization import Normalization, normalize
from ml.cluster_gcn.partition import partition, random_partition
from ml.cluster_gcn.propagation import Propagation
from ml.cluster_gcn.train import Config, predict, train
from ml.metrics.classification import accuracy


def random_graph(nodes: int, seed: int, density: float = 0.3) -> sparse.csr_array:
    half = np.triu(np.random.default_rng(seed).random((nodes, nodes)) < density, k=1)
    return sparse.csr_array((half | half.T).astype(np.float32))


def planted_communities(nodes: int = 300, classes: int = 3, seed: int = 0) -> GraphData:
    """Edges mostly within a class, and features that say almost nothing of it."""
    generator = np.random.default_rng(seed)
    labels = np.arange(nodes) % classes
    chance = np.where(labels[:, None] == labels, 0.08, 0.004)
    half = np.triu(generator.random((nodes, nodes)) < chance, k=1)
    adjacency = sparse.csr_array((half | half.T).astype(np.float32))
    features = generator.normal(size=(nodes, 8)).astype(np.float32)
    features[:, 0] += labels
    splits = np.array(["train", "train", "train", "validation", "test"])[generator.permutation(nodes) % 5]
    names = tuple(f"class {index}" for index in range(classes))
    return GraphData(adjacency, features, labels, splits, partition(adjacency, 6, seed), names)


def dense_matrix(A: np.ndarray, normalization: Normalization, diagonal_lambda: float) -> np.ndarray:
    """The propagation matrix entry by entry, from the equations."""
    n = len(A)
    P = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            loop = 1.0 if i == j else 0.0
            if normalization == "self_loops":
                P[i, j] = (A[i, j] + loop) / (A[i].sum() + 1)
            else:
                P[i, j] = A[i, j] / A[i].sum() if A[i].sum() else 0.0
                P[i, j] += loop if normalization == "row_and_identity" else 0.0
        P[i, i] += diagonal_lambda * P[i, i]
    return P


@settings(max_examples=40, deadline=None)
@given(
    nodes=st.integers(1, 12),
    seed=st.integers(0, 100),
    normalization=st.sampled_from(["row", "row_and_identity", "self_loops"]),
    diagonal_lambda=st.sampled_from([0.0, 1.0, 0.5]),
)
def test_propagation_matrices_are_the_equations(
    nodes: int, seed: int, normalization: Normalization, diagonal_lambda: float
) -> None:
    adjacency = random_graph(nodes, seed)
    made = normalize(adjacency, normalization, diagonal_lambda)
    np.testing.assert_allclose(
        made.toarray(), dense_matrix(adjacency.toarray(), normalization, diagonal_lambda), rtol=1e-6
    )


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("layer_norm", [True, False])
def test_the_network_is_its_formula(concat: bool, residual: bool, layer_norm: bool) -> None:
    torch.manual_seed(0)
    adjacency = random_graph(9, 0)
    model = ClusterGCN(5, 7, 4, layers=3, residual=residual, layer_norm=layer_norm, concat=concat).eval()
    features = torch.randn(9, 5)
    model.standardize_on(features[:6])

    P = dense_matrix(adjacency.toarray(), "self_loops", 1.0)
    rows = features.numpy().astype(np.float64)
    X = (rows - rows[:6].mean(axis=0)) / rows[:6].std(axis=0)
    for index, layer in enumerate(model.layers):
        Z = (np.hstack([P @ X, X]) if concat else P @ X) @ layer.weight.weight.detach().numpy().astype(np.float64).T
        if index == 2:
            X = Z
            continue
        if layer_norm:
            Z = (Z - Z.mean(axis=1, keepdims=True)) / np.sqrt(Z.var(axis=1, keepdims=True) + 1e-9)
        X = np.maximum(Z, 0) + (X if residual and X.shape == Z.shape else 0)

    propagation = Propagation(normalize(adjacency, "self_loops", 1.0))
    inputs = model.inputs(features)
    for scores in (model(propagation, inputs), model(propagation, inputs, propagation(inputs))):
        np.testing.assert_allclose(scores.detach().numpy(), X, rtol=1e-4, atol=1e-5)


def test_a_batch_of_all_clusters_has_the_full_gradient() -> None:
    graph = planted_communities(60)
    model = ClusterGCN(8, 16, 3, layers=3, dropout=0.0)
    features, labels = torch.from_numpy(graph.features), torch.from_numpy(graph.labels)

    def gradient(matrix: sparse.csr_array, nodes: np.ndarray) -> list[torch.Tensor]:
        model.zero_grad()
        nn.functional.cross_entropy(model(Propagation(matrix), features[nodes]), labels[nodes]).backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    (batch,) = ClusterBatches(graph.adjacency, graph.clusters, per_batch=6, seed=0)
    full = gradient(normalize(graph.adjacency, "self_loops"), np.arange(60))
    torch.testing.assert_close(gradient(batch.propagation, batch.nodes), full)

    dense = torch.from_numpy(normalize(graph.adjacency, "self_loops").toarray())
    model.zero_grad()
    hidden = features
    for index, layer in enumerate(model.layers):
        hidden = layer(dense @ hidden, hidden)
        hidden = torch.relu(hidden) if index < 2 else hidden
    nn.functional.cross_entropy(hidden, labels).backward()
    torch.testing.assert_close([parameter.grad for parameter in model.parameters()], full, rtol=1e-3, atol=1e-5)


def test_batches_hold_every_node_once_and_the_edges_between_their_clusters() -> None:
    adjacency = random_graph(30, 1)
    batches = ClusterBatches(adjacency, random_partition(30, 7, 0), per_batch=3, seed=0)
    first, second = list(batches), list(batches)
    assert len(batches) == len(first) == 3
    assert sorted(np.concatenate([batch.nodes for batch in first])) == list(range(30))
    assert [batch.nodes.tolist() for batch in first] != [batch.nodes.tolist() for batch in second]
    for batch in first:
        induced = adjacency.toarray()[np.ix_(batch.nodes, batch.nodes)]
        np.testing.assert_allclose(batch.propagation.toarray(), dense_matrix(induced, "self_loops", 0), rtol=1e-6)


def test_partitions_are_balanced_and_cut_less_than_chance() -> None:
    graph = planted_communities()
    metis, chance = partition(graph.adjacency, 6, 0), random_partition(300, 6, 0)
    edges = graph.adjacency.tocoo()
    assert (metis[edges.row] != metis[edges.col]).mean() < 0.75 * (chance[edges.row] != chance[edges.col]).mean()
    assert np.bincount(metis).max() <= 1.1 * 50 and np.bincount(chance).tolist() == [50] * 6
    np.testing.assert_array_equal(metis, partition(graph.adjacency, 6, 0))


@pytest.mark.parametrize(("nodes", "clusters"), [(4, 5), (1, 1), (4, 0)])
def test_impossible_partitions_name_both_numbers(nodes: int, clusters: int) -> None:
    for make in (lambda: partition(random_graph(nodes, 0), clusters, 0), lambda: random_partition(nodes, clusters, 0)):
        with pytest.raises(ValueError, match=f"{clusters} clusters of {nodes} nodes"):
            make()


@pytest.mark.parametrize("clusters", [1, 3, 6])
def test_a_graph_without_edges_can_be_partitioned(clusters: int) -> None:
    made = partition(random_graph(6, 0, density=0), clusters, 0)
    assert len(made) == 6 and set(made) <= set(range(clusters))


CONFIG = Config(hidden_dim=16, epochs=12, learning_rate=0.02, clusters_per_batch=2)


@pytest.mark.parametrize("inductive", [True, False])
def test_planted_communities_are_learned_from_the_edges(inductive: bool) -> None:
    graph = planted_communities()
    config = replace(CONFIG, inductive=inductive)
    model, history = train(graph, config)
    test = graph.nodes("test")
    truth = graph.labels[test]
    learned = accuracy(truth, predict(model, graph, config).argmax(axis=1)[test])
    assert learned > 0.8 > accuracy(truth, logistic_regression(graph)[test]) > accuracy(truth, majority(graph)[test])
    chosen = max(row["validation_micro_f1"] for row in history)
    validation = graph.nodes("validation")
    again = accuracy(graph.labels[validation], predict(model, graph, config).argmax(axis=1)[validation])
    assert again == chosen


def test_the_same_seed_gives_the_same_bits_and_tells_progress() -> None:
    graph = planted_communities()
    rows: list[dict[str, float]] = []
    first, history = train(graph, CONFIG, progress=rows.append)
    second, _ = train(graph, CONFIG)
    other, _ = train(graph, replace(CONFIG, seed=1))
    assert rows == history and [row["epoch"] for row in rows] == list(range(1, 13))
    weights = [list(model.state_dict().values()) for model in (first, second, other)]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_held_out_labels_are_never_seen() -> None:
    graph = planted_communities()
    hidden = np.where(graph.splits == "test", UNLABELLED, graph.labels)
    with_labels, _ = train(graph, CONFIG)
    without, _ = train(replace(graph, labels=hidden), CONFIG)
    np.testing.assert_array_equal(predict(with_labels, graph, CONFIG), predict(without, graph, CONFIG))


def test_an_empty_split_is_named() -> None:
    graph = planted_communities(30)
    with pytest.raises(ValueError, match="no labelled node in the split validation: the graph has 30 nodes"):
        train(replace(graph, splits=np.full(30, "train")), CONFIG)

"""Propagation, the network and its evaluation, against the equations and against PyG."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch import nn

from ml.cluster_gcn.batches import ClusterBatches
from ml.cluster_gcn.dropout import Dropout
from ml.cluster_gcn.evaluation import full_graph_scores
from ml.cluster_gcn.model import ClusterGCN, Layer
from ml.cluster_gcn.normalization import Normalization
from ml.cluster_gcn.propagation import Propagation
from ml.cluster_gcn.train import Config, predict, train
from tests.ml.cluster_gcn.graphs import dense_matrix, planted_communities, random_graph


@settings(max_examples=40, deadline=None)
@given(
    nodes=st.integers(1, 12),
    seed=st.integers(0, 100),
    normalization=st.sampled_from(["row", "row_and_identity", "self_loops"]),
    diagonal_lambda=st.sampled_from([0.0, 1.0, 0.5]),
    weighted=st.booleans(),
)
def test_propagation_and_its_gradient_are_the_equations(
    nodes: int, seed: int, normalization: Normalization, diagonal_lambda: float, weighted: bool
) -> None:
    adjacency = random_graph(nodes, seed, weighted=weighted)
    P = dense_matrix(adjacency.toarray().astype(np.float64), normalization, diagonal_lambda)
    propagation = Propagation(adjacency, normalization, diagonal_lambda)
    X = torch.eye(nodes, requires_grad=True)
    made = propagation(X)
    np.testing.assert_allclose(made.detach().numpy(), P, rtol=1e-5)
    np.testing.assert_allclose(propagation.rows(X.detach(), 0, nodes).numpy(), P, rtol=1e-5)
    G = torch.randn(nodes, nodes)
    made.backward(G)
    assert X.grad is not None
    np.testing.assert_allclose(X.grad.numpy(), P.T @ G.numpy(), rtol=1e-4, atol=1e-6)


def test_an_unknown_normalization_is_named() -> None:
    with pytest.raises(ValueError, match="'symmetric': must be one of row, row_and_identity, self_loops, none"):
        Propagation(random_graph(3, 0), "symmetric")  # type: ignore[arg-type]


def test_the_first_layer_may_read_the_adjacency_without_normalisation() -> None:
    """``precalc`` of the authors' code: [A X ‖ X] first, then the normalised matrix; in training and in full scores."""
    graph = planted_communities(seed=0)
    config = Config(hidden_dim=8, layers=2, layer_norm=False, epochs=2, diagonal_lambda=1.0, first_normalization="none")
    model, history = train(graph, config)
    assert np.isfinite([entry["loss"] for entry in history]).all()
    A, inputs = graph.adjacency.toarray().astype(np.float64), model.inputs(torch.from_numpy(graph.features))
    P, X = dense_matrix(A, "self_loops", 1.0), inputs.numpy().astype(np.float64)
    first, second = (layer.weight.detach().numpy().astype(np.float64) for layer in model.layers)
    hidden = np.maximum(np.hstack([A @ X, X]) @ first, 0)
    expected = np.hstack([P @ hidden, hidden]) @ second
    np.testing.assert_allclose(predict(model, graph, config), expected, rtol=1e-3, atol=1e-3)
    again = ClusterGCN.from_config(model.stored_config())
    again.load_state_dict(model.state_dict())
    np.testing.assert_allclose(predict(again.eval(), graph, config), expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="the first layer's P X must be given"):
        model(model.propagation(graph.adjacency), inputs)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("layer_norm", [True, False])
def test_the_network_is_its_formula(concat: bool, residual: bool, layer_norm: bool) -> None:
    torch.manual_seed(0)
    adjacency = random_graph(9, 0)
    model = ClusterGCN(5, 7, 4, 3, diagonal_lambda=1.0, residual=residual, layer_norm=layer_norm, concat=concat).eval()
    features = torch.randn(9, 5)
    model.standardize_on(features[:6])

    P = dense_matrix(adjacency.toarray(), "self_loops", 1.0)
    rows = features.numpy().astype(np.float64)
    X = (rows - rows[:6].mean(axis=0)) / rows[:6].std(axis=0)
    for index, layer in enumerate(model.layers):
        Z = (np.hstack([P @ X, X]) if concat else P @ X) @ layer.weight.detach().numpy().astype(np.float64)
        if index == 2:
            X = Z
            continue
        if layer_norm:
            Z = (Z - Z.mean(axis=1, keepdims=True)) / np.sqrt(Z.var(axis=1, keepdims=True) + 1e-9)
        X = np.maximum(Z, 0) + (X if residual and X.shape == Z.shape else 0)

    propagation, inputs = model.propagation(adjacency), model.inputs(features)
    ways = {
        "layer by layer": model(propagation, inputs),
        "with P X known": model(propagation, inputs, propagation(inputs)),
        "in blocks of 4 nodes": full_graph_scores(model, adjacency, inputs, 4),
        "in one block": full_graph_scores(model, adjacency, inputs, 100),
    }
    for way, scores in ways.items():
        np.testing.assert_allclose(scores.detach().numpy(), X, rtol=1e-4, atol=1e-5, err_msg=way)


@pytest.mark.parametrize("diagonal_lambda", [0.0, 1.0])
def test_the_layers_are_those_of_pyg(diagonal_lambda: float) -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    adjacency = random_graph(40, 0)
    model = ClusterGCN(6, 16, 5, 3, diagonal_lambda=diagonal_lambda, layer_norm=False).eval()
    edges = torch.from_numpy(np.stack(adjacency.nonzero()).astype(np.int64))
    features = torch.randn(40, 6)
    hidden = features
    for index, layer in enumerate(model.layers):
        conv = geometric.ClusterGCNConv(layer.in_dim, layer.out_dim, diagonal_lambda, bias=False)
        around, own = layer.weights
        conv.load_state_dict({"lin_out.weight": around.T, "lin_root.weight": own.T})
        hidden = model.activated(index, conv(hidden, edges), hidden)
    torch.testing.assert_close(model(model.propagation(adjacency), features), hidden, rtol=1e-4, atol=1e-5)


def test_a_batch_of_all_clusters_has_the_full_gradient() -> None:
    graph = planted_communities(60)
    model = ClusterGCN(8, 16, 3, layers=3, dropout=0.0)
    features, labels = torch.from_numpy(graph.features), torch.from_numpy(graph.labels)

    def gradient(adjacency: sparse.csr_array, nodes: np.ndarray) -> list[torch.Tensor]:
        model.zero_grad()
        scores = model(model.propagation(adjacency), features[nodes])
        nn.functional.cross_entropy(scores, labels[nodes]).backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    (batch,) = ClusterBatches(graph.adjacency, graph.clusters, per_batch=6).one_pass()
    full = gradient(graph.adjacency, np.arange(60))
    torch.testing.assert_close(gradient(batch.adjacency, batch.nodes), full, rtol=1e-4, atol=1e-6)

    dense = torch.from_numpy(dense_matrix(graph.adjacency.toarray(), "self_loops", 0).astype(np.float32))
    model.zero_grad()
    hidden = features
    for index, layer in enumerate(model.layers):
        hidden = layer(dense @ hidden, hidden)
        hidden = torch.relu(hidden) if index < 2 else hidden
    nn.functional.cross_entropy(hidden, labels).backward()
    torch.testing.assert_close([parameter.grad for parameter in model.parameters()], full, rtol=1e-3, atol=1e-5)


def test_neighbour_dropout_keeps_all_neighbours_of_a_node_or_none() -> None:
    torch.manual_seed(0)
    layer = Layer(4, 3, dropout=0.0, layer_norm=False, concat=True, neighbour_dropout=0.75)
    around, own = torch.randn(4000, 4), torch.randn(4000, 4)
    seen = (layer(around, own) - own @ layer.weights[1]).detach() / (around @ layer.weights[0]).detach()
    alone = seen.abs().max(dim=1).values < 1e-3
    assert abs(alone.float().mean() - 0.75) < 0.03
    torch.testing.assert_close(seen[~alone].median(), torch.tensor(4.0))
    torch.testing.assert_close(layer.eval()(around, own), around @ layer.weights[0] + own @ layer.weights[1])


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(401, 503), (3,), (0, 4)])
def test_dropout_zeroes_the_given_share_and_keeps_the_mean(p: float, shape: tuple[int, ...]) -> None:
    dropout, ones = Dropout(p), torch.ones(shape, requires_grad=True)
    torch.manual_seed(0)
    made = dropout(ones)
    zeros = made.detach().numpy() == 0
    np.testing.assert_allclose(made.detach().numpy()[~zeros], 1 / (1 - p) if p < 1 else 1, rtol=1e-4)
    if zeros.size > 1000:
        np.testing.assert_allclose([zeros.mean(), zeros.mean(axis=0).min(), zeros.mean(axis=1).max()], p, atol=0.12)
        assert abs(zeros.mean() - p) < 0.005
    made.sum().backward()
    torch.testing.assert_close(ones.grad, made.detach())
    torch.manual_seed(0)
    assert torch.equal(dropout(ones), made) and torch.equal(dropout.eval()(ones), ones)

"""GraphSAGE and GCN by the plain recipe equal their equations and learn from edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ml.cluster_gcn.data import GraphDataError
from ml.cluster_gcn.plain import (
    PLAIN_PRESETS,
    Convolution,
    Neighbours,
    PlainConfig,
    PlainGNN,
    plain_scores,
    random_parts,
    train_plain,
)
from ml.metrics.classification import accuracy
from tests.ml.cluster_gcn.graphs import planted_communities, random_graph


def norm(rows: np.ndarray, layer: torch.nn.Module) -> np.ndarray:
    weight, bias = (parameter.detach().numpy() for parameter in layer.parameters())
    return (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-5) * weight + bias


def linear(rows: np.ndarray, layer: torch.nn.Module) -> np.ndarray:
    weight, *bias = (parameter.detach().numpy() for parameter in layer.parameters())
    return rows @ weight.T + (bias[0] if bias else 0)


@pytest.mark.parametrize("convolution", ["sage", "gcn"])
def test_the_network_equals_its_equations(convolution: Convolution) -> None:
    torch.manual_seed(0)
    adjacency = random_graph(30, 0)
    config = PlainConfig(convolution, 1, hidden_dim=12, layers=2)
    model = PlainGNN(7, 4, config).double().eval()
    for each in model.norms:
        torch.nn.init.normal_(each.weight)
        torch.nn.init.normal_(each.bias)
    features = np.random.default_rng(0).normal(size=(30, 7))
    with_loops = adjacency.toarray().astype(np.float64) + np.eye(30)
    degrees = with_loops.sum(1)
    matrix = with_loops / (np.sqrt(np.outer(degrees, degrees)) if convolution == "gcn" else degrees[:, None])
    hidden = linear(features, model.first)
    for layer in range(2):
        hidden = np.maximum(norm(hidden, model.norms[layer]), 0)
        own = linear(hidden, model.own[layer]) if convolution == "sage" else 0
        hidden = linear(matrix @ hidden, model.around[layer]) + own
    expected = linear(np.maximum(norm(hidden, model.norms[2]), 0), model.last)
    neighbours = Neighbours(adjacency, convolution, "cpu")
    neighbours.adjacency = neighbours.adjacency.double()
    inputs = torch.from_numpy(features).requires_grad_()
    found = model(inputs, neighbours)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-7)
    assert torch.autograd.gradcheck(lambda rows: neighbours(rows), inputs, atol=1e-4)


def test_every_node_is_in_one_part() -> None:
    parts = list(random_parts(500, 7, np.random.default_rng(0)))
    assert len(parts) == 7
    assert sorted(np.concatenate(parts)) == list(range(500))
    assert max(map(len, parts)) < 120


@pytest.mark.parametrize("preset", PLAIN_PRESETS)
def test_the_recipe_learns_what_the_edges_show(preset: str) -> None:
    assert (PLAIN_PRESETS[preset].hidden_dim, PLAIN_PRESETS[preset].layers) == (200, 5)
    graph = planted_communities()
    config = replace(PLAIN_PRESETS[preset], epochs=12, hidden_dim=16, layers=2, parts=3, learning_rate=0.02)
    model, history = train_plain(graph, config)
    predicted = plain_scores(model, graph, config, "cpu").argmax(1)
    validation, test = graph.nodes("validation"), graph.nodes("test")
    assert accuracy(graph.labels[test], predicted[test]) > 0.7
    best = max(row["validation_accuracy"] for row in history)
    assert accuracy(graph.labels[validation], predicted[validation]) == best
    again, _ = train_plain(graph, config)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    with pytest.raises(GraphDataError, match="one label per node"):
        train_plain(planted_communities(multi_label=True), config)

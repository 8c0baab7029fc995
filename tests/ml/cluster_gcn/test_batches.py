"""Partitions, and the batches that are made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ml.cluster_gcn.batches import ClusterBatches
from ml.cluster_gcn.partition import PARTITIONERS, Partitioner, partition, random_partition
from ml.cluster_gcn.propagation import MatrixTensors
from ml.cluster_gcn.resident import ClusterSizes, ResidentGraph
from tests.ml.cluster_gcn.graphs import planted_communities, random_graph


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(0, 100), st.integers(1, 9), st.integers(1, 12), st.floats(0, 0.6), st.booleans())
def test_batches_have_every_node_once_and_the_edges_within_the_batch(
    nodes: int, seed: int, clusters: int, per_batch: int, density: float, weighted: bool
) -> None:
    adjacency = random_graph(nodes, seed, density, weighted=weighted)
    of_node = 10 * np.random.default_rng(seed).integers(0, clusters, nodes)
    batches = ClusterBatches(adjacency, of_node, per_batch)
    for made in (list(batches.one_pass(0)), list(batches.one_pass(1))):
        assert len(made) == len(batches) == -(-len(np.unique(of_node)) // per_batch)
        assert sorted(np.concatenate([batch.nodes for batch in made])) == list(range(nodes))
        for batch in made:
            assert len(np.unique(of_node[batch.nodes])) <= per_batch
            induced = adjacency.toarray()[np.ix_(batch.nodes, batch.nodes)]
            np.testing.assert_array_equal(batch.adjacency.toarray(), induced)
            assert batch.adjacency.indices.dtype == batch.adjacency.indptr.dtype == np.int32


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(0, 100), st.integers(1, 9), st.floats(0, 0.6), st.booleans())
def test_a_batch_that_is_cut_on_the_device_is_that_of_the_host(
    nodes: int, seed: int, clusters: int, density: float, weighted: bool
) -> None:
    adjacency = random_graph(nodes, seed, density, weighted=weighted)
    of_node = 10 * np.random.default_rng(seed).integers(0, clusters, nodes)
    batches, sizes = ClusterBatches(adjacency, of_node, 3), ClusterSizes(adjacency, of_node)
    graph = ResidentGraph(sizes, "self_loops", 0.5)
    for step, batch in enumerate(batches.one_pass()):
        own, cut = sizes.cut(batches.chosen(step))
        np.testing.assert_array_equal(own, batch.nodes)
        for found, expected in zip(graph(cut), MatrixTensors.of(batch.adjacency, "self_loops", 0.5), strict=True):
            torch.testing.assert_close(found, expected)


def test_each_pass_draws_other_clusters_and_a_seed_the_same() -> None:
    adjacency, clusters = random_graph(30, 1), random_partition(30, 10, 0)

    def passes(seed: int) -> list[list[list[int]]]:
        batches = ClusterBatches(adjacency, clusters, 3, seed)
        return [[sorted(batch.nodes) for batch in batches.one_pass(passed)] for passed in range(2)]

    first, second = passes(0)
    assert first != second and [first, second] == passes(0) != passes(1)


def test_batches_without_clusters_are_an_error() -> None:
    with pytest.raises(ValueError, match="0 clusters per batch: must be at least 1"):
        ClusterBatches(random_graph(4, 0), np.zeros(4, np.int64), per_batch=0)


each_partitioner = pytest.mark.parametrize("partitioner", PARTITIONERS)


@each_partitioner
def test_partitions_are_balanced_and_cut_less_than_chance(partitioner: Partitioner) -> None:
    graph = planted_communities()
    made, chance = partition(graph.adjacency, 6, 0, partitioner), random_partition(300, 6, 0)
    edges = graph.adjacency.tocoo()
    assert (made[edges.row] != made[edges.col]).mean() < 0.75 * (chance[edges.row] != chance[edges.col]).mean()
    assert np.bincount(made).max() <= 1.1 * 50 and np.bincount(chance).tolist() == [50] * 6


@each_partitioner
@settings(max_examples=30, deadline=None)
@given(st.integers(2, 120), st.integers(0, 100), st.floats(0, 0.3), st.booleans(), st.data())
def test_every_cluster_of_a_partition_has_a_node(
    partitioner: Partitioner, nodes: int, seed: int, density: float, weighted: bool, data: st.DataObject
) -> None:
    clusters = data.draw(st.integers(1, nodes))
    made = partition(random_graph(nodes, seed, density, weighted), clusters, seed, partitioner)
    assert len(made) == nodes and made.dtype == np.int64
    assert np.unique(made).tolist() == list(range(made.max() + 1)) and made.max() < clusters


@each_partitioner
def test_fewer_clusters_are_made_where_as_many_as_requested_would_be_empty(partitioner: Partitioner) -> None:
    """At the first request METIS fills 26 and KaMinPar 52 of the 90 clusters of this graph."""
    made = partition(random_graph(100, 0, density=0.06), 90, 0, partitioner)
    assert 25 < made.max() + 1 < 90 and np.bincount(made).max() <= 5


@each_partitioner
def test_heavy_edges_are_kept_together(partitioner: Partitioner) -> None:
    """A ring of four: by counting edges either opposite pair may be cut, by weight the light one."""
    for heavy in (0, 1):
        dense = np.zeros((4, 4), np.float32)
        for node in range(4):
            dense[node, (node + 1) % 4] = dense[(node + 1) % 4, node] = 0.9 if node % 2 == heavy else 0.001
        parts = partition(sparse.csr_array(dense), 2, 0, partitioner)
        assert parts[heavy] == parts[heavy + 1] != parts[heavy + 2 & 3] == parts[heavy + 3 & 3]


def test_partitions_ignore_loops() -> None:
    adjacency = random_graph(30, 0)
    looped = sparse.csr_array(adjacency + sparse.eye_array(30, dtype=np.float32, format="csr"))
    np.testing.assert_array_equal(partition(looped, 4, 0), partition(adjacency, 4, 0))


@pytest.mark.parametrize(("nodes", "clusters"), [(4, 5), (1, 1), (4, 0)])
def test_impossible_partitions_name_both_numbers(nodes: int, clusters: int) -> None:
    for make in (lambda: partition(random_graph(nodes, 0), clusters, 0), lambda: random_partition(nodes, clusters, 0)):
        with pytest.raises(ValueError, match=f"{clusters} clusters of {nodes} nodes"):
            make()


@pytest.mark.parametrize("clusters", [1, 3, 6])
def test_a_graph_without_edges_can_be_partitioned(clusters: int) -> None:
    made = partition(random_graph(6, 0, density=0), clusters, 0)
    assert len(made) == 6 and set(made) <= set(range(clusters))

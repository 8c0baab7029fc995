"""Clusters from modes where the answer is known, and the measure counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from ml.cluster_gcn.partition import random_partition
from ml.spectral import normalized_cut, spectral_clusters
from tests.ml.spectral.graphs import communities, complete, path


def test_normalised_cut_by_hand() -> None:
    adjacency = sparse.csr_array(np.array([[0.0, 2, 1, 0], [2, 0, 0, 0], [1, 0, 0, 3], [0, 0, 3, 0]]))
    assert normalized_cut(adjacency, np.array([0, 0, 1, 1])) == pytest.approx(1 / 5 + 1 / 7)
    assert normalized_cut(adjacency, np.array([0, 1, 0, 1])) == pytest.approx(5 / 7 + 5 / 5)
    assert normalized_cut(adjacency, np.zeros(4, int)) == 0
    with pytest.raises(ValueError, match="3 cluster numbers of 4 nodes"):
        normalized_cut(adjacency, np.zeros(3, int))


def test_nodes_without_edges_do_not_change_the_cut() -> None:
    adjacency = sparse.csr_array(sparse.block_diag([complete(3), sparse.csr_array((2, 2))]))
    assert normalized_cut(adjacency, np.array([0, 0, 0, 1, 2])) == 0


@pytest.mark.parametrize("nodes", [400, 2_000])
def test_planted_communities_are_found_and_cut_little(nodes: int) -> None:
    adjacency, part = communities(nodes, 4, 0, inside=16, between=3)
    found = spectral_clusters(adjacency, 4, seed=0)
    assert adjusted_rand_score(part, found) > 0.9
    assert normalized_cut(adjacency, found) < 0.5 * normalized_cut(adjacency, random_partition(nodes, 4, 0))
    np.testing.assert_array_equal(found, spectral_clusters(adjacency, 4, seed=0))


def test_small_components_and_dangling_ends_do_not_become_clusters() -> None:
    core, part = communities(900, 3, 1, inside=16, between=2)
    adjacency = sparse.lil_array(sparse.block_diag([core, *[complete(3)] * 10, path(12), sparse.csr_array((5, 5))]))
    adjacency[0, 930] = adjacency[930, 0] = 1
    found = spectral_clusters(sparse.csr_array(adjacency), 3, seed=0)
    assert adjusted_rand_score(part, found[:900]) > 0.9


def test_impossible_requests_are_named() -> None:
    with pytest.raises(ValueError, match="6 clusters of 5 nodes: must be between 1 and 5"):
        spectral_clusters(path(5), 6, seed=0)
    with pytest.raises(ValueError, match="graph of 3 nodes has no edges"):
        spectral_clusters(sparse.csr_array((3, 3)), 2, seed=0)
    assert spectral_clusters(path(5), 1, seed=0).tolist() == [0] * 5

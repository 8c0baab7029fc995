"""Spectral clusters from the first modes of a graph, and the normalised cut of any clusters."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans

from ml.spectral.laplacian import checked_adjacency
from ml.spectral.modes import matrix_modes

MODE_TOLERANCE = 1e-4
"""Smaller errors of the modes do not change the result of k-means."""

KMEANS_STARTS = 4


def spectral_clusters(adjacency: sparse.csr_array, clusters: int, seed: int) -> np.ndarray:
    """Clusters with a small normalised cut: k-means on the rows of the leading modes of D_τ^-½ A D_τ^-½, scaled to 1.

    D_τ = D + τI with the mean degree as τ (Qin and Rohe 2013). Without τ, the first modes of a graph such as that of
    co-purchases describe only its small components and dangling ends. Isolated nodes, which have no mode, do not form
    a cluster of their own; k-means assigns them to the cluster of the origin.

    Args:
        adjacency: ``[N, N]``, symmetric, weights not negative.

    Returns:
        ``cluster[N]``, int64 from 0. Their sizes are not balanced.

    Raises:
        ValueError: not between 1 and N clusters, or an adjacency that ``laplacian`` refuses.
        ConvergenceError: the solver did not converge.
    """
    weights = checked_adjacency(adjacency)
    nodes = weights.shape[0]
    if not 1 <= clusters <= nodes:
        raise ValueError(f"{clusters} clusters of {nodes} nodes: must be between 1 and {nodes}")
    degrees = np.asarray(weights.sum(axis=1))
    if not degrees.any():
        raise ValueError(f"the graph of {nodes} nodes has no edges, so its nodes cannot be clustered")
    scale = sparse.diags_array(1 / np.sqrt(degrees + degrees.mean()))
    damped = sparse.csr_array(sparse.eye_array(nodes) - scale @ weights @ scale)
    _, modes = matrix_modes(damped, np.empty((nodes, 0)), clusters, 2.0, MODE_TOLERANCE, seed)
    lengths = np.linalg.norm(modes, axis=1, keepdims=True)
    rows = np.divide(modes, lengths, out=np.zeros_like(modes), where=lengths > 0)
    return KMeans(clusters, n_init=KMEANS_STARTS, random_state=seed).fit_predict(rows).astype(np.int64)


def normalized_cut(adjacency: sparse.csr_array, clusters: np.ndarray) -> float:
    """Σ over the clusters of the weight that leaves a cluster, divided by the sum of its nodes' degrees.

    It is between 0 and the number of clusters; clusters without edges contribute 0.

    Args:
        clusters: ``cluster[N]``, numbers from 0.
    """
    edges = sparse.coo_array(adjacency)
    if len(clusters) != edges.shape[0]:
        raise ValueError(f"{len(clusters)} cluster numbers of {edges.shape[0]} nodes: must be equally many")
    starts, ends = clusters[edges.row], clusters[edges.col]
    volume = np.bincount(starts, edges.data)
    cut = np.bincount(starts[starts != ends], edges.data[starts != ends], minlength=len(volume))
    return float(np.sum(cut[volume > 0] / volume[volume > 0]))

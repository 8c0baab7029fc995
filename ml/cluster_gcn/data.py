"""The arrays of one attributed graph, as input of a training, and their validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

UNLABELLED = -1
"""Label of a node whose class is unknown."""


class GraphDataError(ValueError):
    """A graph is not usable for training; the message names the array and its fault."""


@dataclass(frozen=True)
class GraphData:
    """An attributed graph of N nodes.

    ``adjacency[N, N]`` is symmetric, without loops; ``features[N, F]`` are not yet standardised; ``labels[N]`` index
    ``classes``, or are ``[N, classes]`` of 0 and 1 where a node may be of several; ``splits[N]`` are train, validation,
    test or any other; ``clusters[N]`` are numbers of clusters.
    """

    adjacency: sparse.csr_array
    features: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    clusters: np.ndarray
    classes: tuple[str, ...]

    @property
    def multi_label(self) -> bool:
        """Whether a node may have several classes."""
        return self.labels.ndim == 2

    @property
    def trained(self) -> np.ndarray:
        """``mask[N]`` of the nodes whose labels the training uses."""
        mask = np.zeros(len(self.labels), dtype=bool)
        mask[self.nodes("train")] = True
        return mask

    def nodes(self, split: str) -> np.ndarray:
        """The labelled nodes of a split, in order."""
        members = self.splits == split
        return np.flatnonzero(members if self.multi_label else members & (self.labels != UNLABELLED))

    def not_learnable(self) -> list[str]:
        """The classes of held-out nodes that no training node has, so that no model can predict them."""
        seen, held_out = (self._classes_of(splits) for splits in (("train",), ("validation", "test")))
        return [
            name for name, learnable, met in zip(self.classes, seen, held_out, strict=True) if met and not learnable
        ]

    def _classes_of(self, splits: tuple[str, ...]) -> np.ndarray:
        labels = self.labels[np.concatenate([self.nodes(split) for split in splits])]
        return labels.any(axis=0) if self.multi_label else np.bincount(labels, minlength=len(self.classes)) > 0


def check(graph: GraphData) -> None:
    """Raise an error if a graph is not usable for training.

    Raises:
        GraphDataError: one node; arrays of differing lengths; NaN or infinite features; labels beyond the classes, or
            other than 0 and 1 where there are several; loops, negative weights or one-way edges; no labelled node in
            the split train.
    """
    nodes = len(graph.labels)
    if nodes < 2:
        raise GraphDataError(f"a graph of {nodes} nodes: need at least 2")
    lengths = {name: len(getattr(graph, name)) for name in ("features", "splits", "clusters")}
    lengths["adjacency"] = graph.adjacency.shape[0]
    if odd := {name: length for name, length in lengths.items() if length != nodes}:
        raise GraphDataError(
            f"labels of {nodes} nodes, but {', '.join(f'{n} of {length}' for n, length in odd.items())}"
        )
    invalid = ~np.isfinite(graph.features)
    if invalid.any():
        node, feature = np.argwhere(invalid)[0]
        raise GraphDataError(
            f"{int(invalid.sum())} features are NaN or infinite, first: node {node}, feature {feature}"
        )
    _check_labels(graph)
    _check_edges(graph.adjacency)
    if not len(graph.nodes("train")):
        raise GraphDataError(f"no labelled node in the split train: the graph has {nodes} nodes")


def _check_labels(graph: GraphData) -> None:
    classes = len(graph.classes)
    if graph.multi_label:
        if graph.labels.shape[1] != classes or not np.isin(graph.labels, (0, 1)).all():
            raise GraphDataError(f"labels {graph.labels.shape} of {classes} classes: need a column each, of 0 and 1")
    elif not ((graph.labels >= UNLABELLED) & (graph.labels < classes)).all():
        low, high = graph.labels.min(), graph.labels.max()
        raise GraphDataError(
            f"labels {low} to {high} of {classes} classes: must be 0 to {classes - 1}, or {UNLABELLED}"
        )


def _check_edges(adjacency: sparse.csr_array) -> None:
    loops = int((adjacency.diagonal() != 0).sum())
    if loops:
        raise GraphDataError(f"{loops} nodes have a loop: leave loops out, the normalisations add their own")
    if adjacency.nnz and not adjacency.data.min() >= 0:
        raise GraphDataError("an edge's weight is negative or NaN: weights must not be below 0")
    # A v = Aᵀ v for a random v almost never holds by chance, and costs no transposed copy.
    probe = np.random.default_rng(0).random(adjacency.shape[0])
    there, back = adjacency @ probe, adjacency.T @ probe
    if not np.allclose(there, back, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(there).max(initial=0))):
        node = int(np.abs(there - back).argmax())
        raise GraphDataError(f"the adjacency is not symmetric, for instance at node {node}: add each edge both ways")

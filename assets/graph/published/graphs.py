"""A published graph in memory, and the checks that both layouts share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import sparse

from ml.cluster_gcn.data import GraphData

NOT_IN_A_SPLIT = "none"
"""Split of a node that no file assigns to a split."""


class PublishedError(ValueError):
    """A published graph cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Published:
    """A graph that was read, and ``notes``: counts of what was left out of it or is irregular.

    ``graph.clusters`` is one cluster of all nodes; training partitions the graph.
    """

    graph: GraphData
    notes: dict[str, int] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """The size of the graph, its classes, its splits and the notes, as lines of text."""
        graph = self.graph
        kind = "multi-label" if graph.multi_label else "single-label"
        yield f"{len(graph.splits):,} nodes, {graph.adjacency.nnz // 2:,} edges, {graph.features.shape[1]:,} features"
        yield f"{len(graph.classes):,} classes, {kind}"
        yield ", ".join(f"{name} {int((graph.splits == name).sum()):,}" for name in sorted(set(graph.splits)))
        yield from (f"{note}: {count:,}" for note, count in self.notes.items() if count)
        if unseen := graph.not_learnable():
            yield f"held-out nodes have classes that no training node has: {', '.join(unseen)}"


def published(
    adjacency: sparse.csr_array,
    features: np.ndarray,
    labels: np.ndarray,
    splits: np.ndarray,
    classes: tuple[str, ...],
    notes: dict[str, int],
) -> Published:
    graph = GraphData(adjacency, features, labels, splits, np.zeros(len(splits), np.int64), classes)
    notes["nodes in no split"] = int((splits == NOT_IN_A_SPLIT).sum())
    return Published(graph, notes)


def checked_features(features: np.ndarray, nodes: int, path: Path) -> np.ndarray:
    if features.ndim != 2 or len(features) != nodes:
        raise PublishedError(f"{path}: shape {features.shape}; need one row for each of {nodes} nodes")
    broken = ~np.isfinite(features)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        raise PublishedError(
            f"{path}: {int(broken.sum())} values are NaN or infinite, first in row {row}, column {column}"
        )
    return np.ascontiguousarray(features, dtype=np.float32)


def symmetric_adjacency(ends: np.ndarray, nodes: int) -> tuple[sparse.csr_array, dict[str, int]]:
    """``adjacency[N, N]`` float32, symmetric, 0 or 1, of ``ends[links, 2]``, and counts of loops and repeated links.

    Neither loops nor repeated links are in the matrix.
    """
    proper = ends[ends[:, 0] != ends[:, 1]].astype(np.int32)
    ones = np.ones(2 * len(proper), np.float32)
    one_way, other_way = proper[:, 0], proper[:, 1]
    joined = (np.concatenate([one_way, other_way]), np.concatenate([other_way, one_way]))
    matrix = sparse.csr_array(sparse.coo_array((ones, joined), shape=(nodes, nodes)))
    matrix.data[:] = 1
    return matrix, {"loops": len(ends) - len(proper), "repeated links": len(proper) - matrix.nnz // 2}

"""What a graph learner is given. Belongs here: the arrays of one attributed graph. Not here: any computation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

UNLABELLED = -1
"""Label of a node whose class is not known."""


@dataclass(frozen=True)
class GraphData:
    """An attributed graph of N nodes.

    ``adjacency[N, N]`` is symmetric, without loops; ``features[N, F]`` are not yet standardised; ``labels[N]`` index
    ``classes``, or ``labels[N, classes]`` are 0 and 1 where a node has several; ``splits[N]`` are train, validation,
    test or anything else; ``clusters[N]`` number the batches' parts.
    """

    adjacency: sparse.csr_array
    features: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    clusters: np.ndarray
    classes: tuple[str, ...]

    def nodes(self, split: str) -> np.ndarray:
        """The labelled nodes of a split, in order."""
        labelled = True if self.multi_label else self.labels != UNLABELLED
        return np.flatnonzero((self.splits == split) & labelled)

    @property
    def multi_label(self) -> bool:
        """Whether a node has several classes."""
        return self.labels.ndim == 2

    def not_learnable(self) -> list[str]:
        """The classes that held-out nodes have and no training node has: nothing can predict them."""
        seen, held_out = (self._classes_of(splits) for splits in (("train",), ("validation", "test")))
        return [
            name for name, learnable, met in zip(self.classes, seen, held_out, strict=True) if met and not learnable
        ]

    def _classes_of(self, splits: tuple[str, ...]) -> np.ndarray:
        labels = self.labels[np.concatenate([self.nodes(split) for split in splits])]
        return labels.any(axis=0) if self.multi_label else np.bincount(labels, minlength=len(self.classes)) > 0

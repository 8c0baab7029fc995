"""Propagation matrices of Cluster-GCN (arXiv 1905.07953), from degrees. See ``ml.cluster_gcn.propagation``."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Normalization = Literal["row", "row_and_identity", "self_loops", "none"]


def scales(
    degrees: np.ndarray, normalization: Normalization, diagonal_lambda: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """``scale[N]`` and ``own[N]``, both float32, of the matrix P = diag(scale) A + diag(own) in X' = σ(P X W).

    ====================  ==================================================================
    ``row``               eq 1: P = D⁻¹A
    ``row_and_identity``  eq 9: P = D⁻¹A + I
    ``self_loops``        eq 10: P = (D+I)⁻¹(A+I)
    ``none``              P = A, of the first layer in the authors' code with ``precalc``, its default
    λ > 0                 eq 11: P + λ·diag(P), which gives a node's own features more weight
    ====================  ==================================================================

    A node without edges has an empty row in D⁻¹A.

    Args:
        degrees: ``D[N]``, the sums of the rows of an adjacency A without loops or negative weights.
    """
    if normalization not in get_args(Normalization):
        raise ValueError(f"normalization {normalization!r}: must be one of {', '.join(get_args(Normalization))}")
    total = degrees.astype(np.float64) + (normalization == "self_loops")
    scale = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
    if normalization == "none":
        return np.ones(len(total), np.float32), np.zeros(len(total), np.float32)
    own = {"row": np.zeros_like(total), "row_and_identity": np.ones_like(total), "self_loops": scale}[normalization]
    return scale.astype(np.float32), ((1 + diagonal_lambda) * own).astype(np.float32)

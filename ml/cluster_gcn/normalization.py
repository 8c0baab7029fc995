"""Propagation matrices of Cluster-GCN (arXiv 1905.07953), from an adjacency. Not here: the layers that use them."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy import sparse

Normalization = Literal["row", "row_and_identity", "self_loops"]


def normalize(
    adjacency: sparse.csr_array, normalization: Normalization, diagonal_lambda: float = 0.0
) -> sparse.csr_array:
    """The matrix P of the layer X' = σ(P X W), float32.

    ====================  ==================================================================
    ``row``               eq 1: P = D⁻¹A
    ``row_and_identity``  eq 9: P = D⁻¹A + I
    ``self_loops``        eq 10: P = (D+I)⁻¹(A+I)
    λ > 0                 eq 11: P + λ·diag(P), which gives a node's own features more weight
    ====================  ==================================================================

    A node without edges has an empty row in D⁻¹A.

    Args:
        adjacency: ``[N, N]``, no negative weights.
    """
    if normalization not in get_args(Normalization):
        raise ValueError(f"normalization {normalization!r}: must be one of {', '.join(get_args(Normalization))}")
    identity = sparse.eye_array(adjacency.shape[0], dtype=np.float32, format="csr")
    looped = adjacency + identity if normalization == "self_loops" else adjacency
    degrees = np.asarray(looped.sum(axis=1), dtype=np.float64)
    inverse = np.divide(1, degrees, out=np.zeros_like(degrees), where=degrees > 0)
    matrix = sparse.csr_array(sparse.diags_array(inverse) @ looped)
    if normalization == "row_and_identity":
        matrix = matrix + identity
    if diagonal_lambda:
        matrix = matrix + sparse.diags_array(diagonal_lambda * matrix.diagonal())
    return sparse.csr_array(matrix).astype(np.float32)

"""Propagation matrices of Cluster-GCN (arXiv 1905.07953), from degrees. See ``ml.cluster_gcn.propagation``."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Normalization = Literal["row", "row_and_identity", "self_loops", "none"]


def scales(degrees: Tensor, normalization: Normalization, diagonal_lambda: float = 0.0) -> tuple[Tensor, Tensor]:
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
        degrees: ``D[N]`` on any device, the sums of the rows of an adjacency A without loops or negative weights.
    """
    if normalization not in get_args(Normalization):
        raise ValueError(f"normalization {normalization!r}: must be one of {', '.join(get_args(Normalization))}")
    total = degrees.double() + (normalization == "self_loops")
    scale = torch.where(total > 0, 1 / total, 0)
    if normalization == "none":
        return torch.ones_like(scale, dtype=torch.float32), torch.zeros_like(scale, dtype=torch.float32)
    own = {"row": torch.zeros_like(scale), "row_and_identity": torch.ones_like(scale), "self_loops": scale}
    return scale.float(), ((1 + diagonal_lambda) * own[normalization]).float()

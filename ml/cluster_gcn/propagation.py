"""Multiplying by a propagation matrix, with gradients. Belongs here: sparse tensors. Not here: layers and weights."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


class Propagation:
    """P as a linear map: ``propagation(X[n, d])`` is P X.

    The gradient needs Pᵀ. Transposing once a batch, ahead of the layers that share it, makes the backward pass up to
    nine times faster than leaving it to autograd; 32-bit indices make both passes faster than 64-bit ones.
    """

    def __init__(self, matrix: sparse.csr_array, device: torch.device | str = "cpu") -> None:
        self.forward = _tensor(matrix, device)
        self.backward = _tensor(sparse.csr_array(matrix.T), device)

    def __call__(self, features: Tensor) -> Tensor:
        return _Multiply.apply(self, features)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, propagation: Propagation, features: Tensor) -> Tensor:
        ctx.propagation = propagation
        return propagation.forward @ features

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.propagation.backward @ gradients[0]


def _tensor(matrix: sparse.csr_array, device: torch.device | str) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int32)),
            torch.from_numpy(matrix.indices.astype(np.int32)),
            torch.from_numpy(matrix.data),
            size=matrix.shape,
            device=device,
            check_invariants=False,
        )

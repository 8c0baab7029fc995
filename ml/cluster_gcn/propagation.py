"""Multiplication by a propagation matrix, with gradients. See ``ml.cluster_gcn.model`` for the layers."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ml.cluster_gcn.normalization import Normalization, scales
from ml.sparse import csr_of, csr_parts, csr_tensor


class MatrixTensors(NamedTuple):
    """A propagation matrix of n nodes as tensors: A in CSR form, and ``scale`` and ``own`` ``[n, 1]``."""

    starts: Tensor
    columns: Tensor
    weights: Tensor
    scale: Tensor
    own: Tensor

    @classmethod
    def of(cls, adjacency: sparse.csr_array, normalization: Normalization, diagonal_lambda: float) -> MatrixTensors:
        """On the CPU, of ``A[n, n]``, symmetric, without loops."""
        degrees = torch.from_numpy(np.asarray(adjacency.sum(axis=1, dtype=np.float64)))
        scale, own = scales(degrees, normalization, diagonal_lambda)
        starts, columns, weights = csr_parts(adjacency)
        return cls(starts, columns, weights.float(), scale[:, None], own[:, None])


class BatchPropagation:
    """P of a batch as a linear map, from tensors on the device: making it does not wait for the device."""

    def __init__(self, matrix: MatrixTensors) -> None:
        nodes = len(matrix.scale)
        self.scale, self.own = matrix.scale, matrix.own
        self.adjacency = csr_of(matrix.starts, matrix.columns, matrix.weights, (nodes, nodes))

    def __call__(self, features: Tensor) -> Tensor:
        return _Multiply.apply(self, features)


class Propagation:
    """P = diag(scale) A + diag(own) as a linear map: ``propagation(X[n, d])`` is P X.

    A is kept as it is: since it is symmetric, Pᵀ G = A (scale ⊙ G) + own ⊙ G needs no transposed copy, and a batch no
    more than its part of A. 32-bit indices make the product faster than 64-bit ones.

    Args:
        adjacency: ``A[n, n]``, symmetric, without loops.
    """

    def __init__(
        self,
        adjacency: sparse.csr_array,
        normalization: Normalization,
        diagonal_lambda: float = 0.0,
        device: torch.device | str = "cpu",
    ) -> None:
        self._adjacency = adjacency
        self.device = torch.device(device)
        degrees = torch.from_numpy(np.asarray(adjacency.sum(axis=1, dtype=np.float64)))
        both = scales(degrees, normalization, diagonal_lambda)
        self.scale, self.own = (values[:, None].to(self.device) for values in both)

    def __call__(self, features: Tensor) -> Tensor:
        return _Multiply.apply(self, features)

    @cached_property
    def adjacency(self) -> Tensor:
        """A as a tensor on the device."""
        return csr_tensor(self._adjacency, device=self.device)

    def rows(self, features: Tensor, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` of P X, without gradients; only these rows of A are on the device."""
        matrix = self._adjacency
        first, last = matrix.indptr[start], matrix.indptr[stop]
        part = (matrix.data[first:last], matrix.indices[first:last], matrix.indptr[start : stop + 1] - first)
        block = csr_tensor(sparse.csr_array(part, shape=(stop - start, matrix.shape[1])), device=self.device)
        return (block @ features).mul_(self.scale[start:stop]).addcmul_(self.own[start:stop], features[start:stop])


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, propagation: Propagation | BatchPropagation, features: Tensor) -> Tensor:
        ctx.propagation = propagation
        return (propagation.adjacency @ features).mul_(propagation.scale).addcmul_(propagation.own, features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        propagation, (gradient,) = ctx.propagation, gradients
        return None, (propagation.adjacency @ (propagation.scale * gradient)).addcmul_(propagation.own, gradient)

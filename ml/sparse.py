"""Sparse matrices of scipy as tensors of torch."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

INDEX_LIMIT = 2**31
"""Matrices of fewer entries get 32-bit indices, which torch multiplies about twice as fast as 64-bit ones."""


def csr_tensor(
    matrix: sparse.csr_array, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Tensor:
    """The matrix as a sparse CSR tensor; on the CPU it shares the arrays that already have the right types."""
    starts, columns, values = (part.to(device) for part in csr_parts(matrix))
    return csr_of(starts, columns, values.to(dtype), matrix.shape)


def csr_parts(matrix: sparse.csr_array) -> tuple[Tensor, Tensor, Tensor]:
    """Starts of the rows, columns and values, on the CPU; those that already have the right types are shared."""
    index = np.int32 if matrix.nnz < INDEX_LIMIT else np.int64
    starts, columns = (each.astype(index, copy=False) for each in (matrix.indptr, matrix.indices))
    return torch.from_numpy(starts), torch.from_numpy(columns), torch.from_numpy(matrix.data)


def csr_of(starts: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A sparse CSR tensor of its three parts, unchecked, which would wait for the device."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, columns, values, size=shape, check_invariants=False)

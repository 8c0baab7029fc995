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
    index = np.int32 if matrix.nnz < INDEX_LIMIT else np.int64
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(index, copy=False)),
            torch.from_numpy(matrix.indices.astype(index, copy=False)),
            torch.from_numpy(matrix.data).to(dtype),
            size=matrix.shape,
            device=device,
            check_invariants=False,
        )

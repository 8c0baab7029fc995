"""Baskets of a period as a matrix, and pairs of products that are drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Pairs = NDArray[np.int64]
"""``[pairs, 2]``: query and target, which are two products of one basket."""


@dataclass(frozen=True)
class Baskets:
    """Which products are in which basket: ``matrix[baskets, products]`` of 0 and 1, float32."""

    matrix: sparse.csr_array

    @classmethod
    def of(cls, basket: NDArray[np.int64], product: NDArray[np.int64], products: int) -> Baskets:
        """From lines of basket and product numbers; repeated lines count once."""
        baskets = int(basket.max(initial=-1)) + 1
        ones = np.ones(len(basket), np.float32)
        matrix = sparse.csr_array(sparse.coo_array((ones, (basket, product)), shape=(baskets, products)))
        matrix.data[:] = 1
        return cls(matrix)

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """``[products]``: baskets with each product."""
        return np.asarray(self.matrix.sum(axis=0, dtype=np.float64))

    @cached_property
    def by_product(self) -> sparse.csr_array:
        """``[products, baskets]``."""
        return sparse.csr_array(self.matrix.T)

    def together(self, products: NDArray[np.int64]) -> NDArray[np.float32]:
        """Baskets that hold both, of each of the given products and every product: ``[given, products]``."""
        shared: NDArray[np.float32] = (self.by_product[products] @ self.matrix).toarray()
        return shared

    def drawn_pairs(self, count: int, generator: np.random.Generator) -> Pairs:
        """Random pairs: a random product of a random basket line, and another product of its basket.

        Raises:
            ValueError: no basket has two products.
        """
        sizes = np.diff(self.matrix.indptr)
        firsts = np.flatnonzero(np.repeat(sizes > 1, sizes))
        if not len(firsts):
            raise ValueError("no basket has two different products, so that there are no pairs")
        lines = generator.choice(firsts, count)
        basket = np.searchsorted(self.matrix.indptr, lines, side="right") - 1
        start, size = self.matrix.indptr[basket], sizes[basket]
        # A step of 1 to size - 1 around the basket ends at another of its products.
        others = start + (lines - start + generator.integers(1, size)) % size
        return np.stack([self.matrix.indices[lines], self.matrix.indices[others]], 1).astype(np.int64)

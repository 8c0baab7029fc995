"""Pairs of near-equal hashes and of near-equal vectors among millions, without comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BANDS = 5
"""Parts of a hash; two hashes are compared if one part of both is equal."""
MOST_EQUAL = 200
"""Hashes with an equal part above which the part says nothing, such as that of a common title picture."""
SEED = 0
PROBES = 3
"""Nearest centroids under which a vector is compared with others."""
BLOCK = 4096

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def near_hashes(one: NDArray[np.uint64], other: NDArray[np.uint64], bits: int) -> Pairs:
    """Positions ``i[n], j[n]`` of hashes of ``one`` and ``other`` that differ in at most ``bits`` bits.

    All pairs that differ in fewer than ``BANDS`` bits are found, and most of the others (Manku et al., "Detecting
    near-duplicates for web crawling", 2007), but for parts that more than ``MOST_EQUAL`` hashes share.
    """
    found = [np.empty((0, 2), np.int64)]
    edges = np.linspace(0, 63, BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        for i, j in _equal((one >> np.uint64(low)) & mask, (other >> np.uint64(low)) & mask):
            near = np.bitwise_count(one[i] ^ other[j]) <= bits
            found.append(np.stack([i[near], j[near]], 1))
    pairs = np.unique(np.concatenate(found), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _equal(one: NDArray[np.uint64], other: NDArray[np.uint64], block: int = 1 << 22) -> Iterator[Pairs]:
    """Positions of equal keys, at most about ``block`` pairs at a time."""
    order = np.argsort(other, kind="stable")
    keys = other[order]
    first, stop = np.searchsorted(keys, one, "left"), np.searchsorted(keys, one, "right")
    count = np.where(stop - first <= MOST_EQUAL, stop - first, 0)
    ends = np.cumsum(count)
    start = 0
    while start < len(one):
        upto = max(start + 1, int(np.searchsorted(ends, (ends[start - 1] if start else 0) + block, "right")))
        own = count[start:upto]
        i = np.repeat(np.arange(start, upto), own)
        within = np.arange(len(i)) - np.repeat(np.cumsum(own) - own, own)
        yield i, order[np.repeat(first[start:upto], own) + within]
        start = upto


def near_vectors(vectors: NDArray[np.float32], cosine: float, clusters: int | None = None) -> Pairs:
    """Positions ``i[n] < j[n]`` of unit vectors ``vectors[n, dim]`` whose dot product is at least ``cosine``.

    k-means on a sample, then all pairs of a cluster; each vector is in its ``PROBES`` nearest clusters, as in Abbas et
    al., "SemDeDup" (2023), which uses one. Recall against all pairs is measured in ``bench_duplicates.py``.
    """
    count = len(vectors)
    clusters = clusters or max(1, round(count**0.5))
    centroids = _centroids(vectors, clusters)
    probes = min(PROBES, len(centroids))
    nearest = np.empty((count, probes), np.int32)
    for start in range(0, count, BLOCK):
        scores = vectors[start : start + BLOCK] @ centroids.T
        nearest[start : start + BLOCK] = np.argpartition(-scores, probes - 1, axis=1)[:, :probes]
    members = np.argsort(nearest.reshape(-1), kind="stable")
    edges = np.searchsorted(nearest.reshape(-1)[members], np.arange(len(centroids) + 1))
    found = [np.empty((0, 2), np.int64)]
    for low, high in pairwise(edges):
        rows = np.sort(members[low:high] // probes)
        own = vectors[rows]
        for start in range(0, len(rows), BLOCK):
            i, j = np.nonzero(own[start : start + BLOCK] @ own.T >= cosine)
            later = j > i + start
            found.append(np.stack([rows[i[later] + start], rows[j[later]]], 1))
    pairs = np.unique(np.concatenate(found), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _centroids(vectors: NDArray[np.float32], clusters: int, rounds: int = 5) -> NDArray[np.float32]:
    """Spherical k-means on a sample of 32 vectors a centroid."""
    rng = np.random.default_rng(SEED)
    sample = vectors[np.sort(rng.choice(len(vectors), min(len(vectors), 32 * clusters), replace=False))]
    centroids = sample[rng.choice(len(sample), min(clusters, len(sample)), replace=False)].copy()
    for _ in range(rounds):
        nearest = np.concatenate(
            [(sample[start : start + BLOCK] @ centroids.T).argmax(1) for start in range(0, len(sample), BLOCK)]
        )
        order = np.argsort(nearest, kind="stable")
        used, starts = np.unique(nearest[order], return_index=True)
        centroids[used] = np.add.reduceat(sample[order], starts)
        centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-9)
    return centroids

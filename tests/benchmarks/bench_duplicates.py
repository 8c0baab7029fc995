"""Near-equal clip vectors: time and recall of clusters against a comparison with all, on generated vectors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np

from ml.shots.pairs import near_vectors
from tests.benchmarks.results import Table

VECTORS = int(os.environ.get("BENCH_DUPLICATE_VECTORS", "1000000"))
DIM = 512
QUERIES = 2000


def vectors_with_copies(count: int) -> np.ndarray:
    """Unit vectors in clusters, of which every tenth is a near copy of an earlier one."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(1, count // 500), DIM), np.float32)
    vectors = rng.standard_normal((count, DIM), np.float32)
    vectors += centres[rng.integers(len(centres), size=count)]
    copies = np.arange(9, count, 10)
    noise = 0.3 * rng.standard_normal((len(copies), DIM), np.float32)
    vectors[copies] = vectors[copies - rng.integers(1, 9, size=len(copies))] + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def test_near_vectors(table: Callable[..., Table]) -> None:
    vectors = vectors_with_copies(VECTORS)
    measured = table(
        f"Near pairs of {VECTORS:,} vectors of {DIM} numbers", "method", "vectors", "pairs", "wall s", "CPU s", "recall"
    )
    began, cpu = time.perf_counter(), time.process_time()
    i, j = near_vectors(vectors, 0.9)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    found = set(zip(i.tolist(), j.tolist(), strict=True))
    queries = np.sort(np.random.default_rng(1).choice(VECTORS, min(QUERIES, VECTORS), replace=False))
    exact = set()
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(queries), 100):
        rows = queries[start : start + 100]
        one, other = np.nonzero(vectors[rows] @ vectors.T >= 0.9)
        exact |= {(min(a, b), max(a, b)) for a, b in zip(rows[one].tolist(), other.tolist(), strict=True) if a != b}
    recall = len(exact & found) / len(exact)
    measured.add("ours, all with all", VECTORS, len(found), seconds, cpu_s, recall)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    measured.add("NumPy, some with all", len(queries), len(exact), seconds, cpu_s, 1.0)
    assert recall >= 0.99

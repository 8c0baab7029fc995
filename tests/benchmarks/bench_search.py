"""Text-to-clip search by the index beside exact search: latency, recall, and size on disk.

The embeddings are synthetic: 512 numbers of unit length around random centres, one of 1,000 clips, each clip its
centre plus noise; queries are clips with as much noise again. ``BENCH_SHARE=1`` takes 10 million; by default it is a
tenth of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.joint_embedding.clip_index import ClipEmbeddings, ClipIndex, SearchOptions

ALL_CLIPS = 10_000_000
DIM, BLOCK, QUERIES = 512, 50_000, 200
NOISE = 0.6
"""Length of the noise, that of a centre being 1."""


def noisy(vectors: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    moved = vectors + rng.standard_normal(vectors.shape, np.float32) * np.float32(NOISE / DIM**0.5)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def blocks(clips: int) -> Iterator[ClipEmbeddings]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(clips // 1000, 10), DIM), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    for first in range(0, clips, BLOCK):
        count = min(BLOCK, clips - first)
        start_s = np.arange(count, dtype=np.float64)
        ids = [f"video-{(first + row) // 100}" for row in range(count)]
        vectors = noisy(centres[rng.integers(len(centres), size=count)], rng)
        yield ClipEmbeddings(ids, start_s, start_s + 5, vectors)


def milliseconds(index: ClipIndex, queries: NDArray[np.float32], exact: bool) -> NDArray[np.float64]:
    taken = []
    for query in queries:
        started = time.perf_counter()
        index.nearest(query, 10, exact)
        taken.append(1000 * (time.perf_counter() - started))
    return np.array(taken)


def test_search(tmp_path: Path) -> None:
    clips = int(ALL_CLIPS * float(os.environ.get("BENCH_SHARE", "0.1")))
    index = ClipIndex(tmp_path / "clips.lance", SearchOptions(exact_below=0))
    started = time.perf_counter()
    index.write(blocks(clips), DIM)
    built = time.perf_counter() - started
    queries = noisy(next(blocks(clips)).vectors[:: BLOCK // QUERIES][:QUERIES], np.random.default_rng(1))
    milliseconds(index, queries[:20], exact=False)  # the first ones read the index from disk
    by_index, exactly = milliseconds(index, queries, exact=False), milliseconds(index, queries[:5], exact=True)
    recall = index.recall(queries[:10])
    size = sum(path.stat().st_size for path in index.path.rglob("*") if path.is_file())
    print(f"\n{clips:,} clips of {DIM} numbers, {size / 1e9:.2f} GB on disk, written and indexed in {built:.0f} s")
    print(f"{'':10}{'p50 ms':>10}{'p95 ms':>10}{'recall@10':>12}{'speed-up':>10}")
    speed_up = np.median(exactly) / np.median(by_index)
    for name, taken, found, ratio in (("index", by_index, recall, speed_up), ("exact", exactly, 1.0, 1.0)):
        print(f"{name:10}{np.median(taken):10.1f}{np.percentile(taken, 95):10.1f}{found:12.3f}{ratio:10.1f}")

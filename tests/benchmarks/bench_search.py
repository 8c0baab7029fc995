"""Text-to-clip search by the index and exact search: latency, recall, and the time, disk and memory of the index.

The embeddings are synthetic: unit vectors around random centres, one centre per 1,000 clips; a clip is its centre plus
noise, a query is a clip plus the same amount of noise. ``BENCH_SHARE=1`` uses 10 million clips, the default is a tenth
of that. ``BENCH_DIM`` is the dimension, 256 by default.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.joint_embedding.clip_index import ClipEmbeddings, ClipIndex, SearchOptions
from ml.memory_counters import resident_mib
from tests.benchmarks.results import Table

ALL_CLIPS = 10_000_000
DIM = int(os.environ.get("BENCH_DIM", "256"))
BLOCK, QUERIES, COMPARED, TIMED_EXACTLY = 50_000, 200, 20, 5
NOISE = 0.6
"""Length of the noise; a centre has length 1."""


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


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def peak() -> float:
    return resident_mib("VmHWM")


def test_search(tmp_path: Path, table: Callable[..., Table]) -> None:
    clips = int(ALL_CLIPS * float(os.environ.get("BENCH_SHARE", "0.1")))
    index = ClipIndex(tmp_path / "clips.lance", SearchOptions(exact_below=0))
    stages, at_first = [time.perf_counter()], peak()

    def given() -> Iterator[ClipEmbeddings]:
        yield from blocks(clips)
        stages.append(time.perf_counter())

    index.write(given(), DIM)
    stages.append(time.perf_counter())
    made, indexed = np.diff(stages)
    stored, more = megabytes(index.path / "data"), megabytes(index.path / "_indices")
    columns = ("clips", "dimension", "writing s", "data MB", "indexing s", "index MB", "peak MiB", "MiB before")
    built = table("Clip index: construction", *columns)
    built.add(f"{clips:,}", DIM, made, stored, indexed, more, peak(), at_first)
    queries = noisy(next(blocks(clips)).vectors[:: BLOCK // QUERIES][:QUERIES], np.random.default_rng(1))
    milliseconds(index, queries[:20], exact=False)  # the first ones read the index from disk
    rows = {
        "index": (milliseconds(index, queries, exact=False), index.recall(queries[:COMPARED])),
        "exact": (milliseconds(index, queries[:TIMED_EXACTLY], exact=True), 1.0),
    }
    base = np.median(rows["exact"][0])
    measured = table(f"Clip index: queries among {clips:,} clips", "search", "p50 ms", "p95 ms", "recall@10", "speedup")
    for name, (taken, recall) in rows.items():
        p50, p95 = np.percentile(taken, [50, 95])
        measured.add(name, p50, p95, recall, base / p50)

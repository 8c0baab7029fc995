"""Latency and recall of the search in the narration, by words, meaning and filters, and of a request to the page.

Passages are sentences of random words with random vectors in clusters. The peers run in the same process: the scan of
all vectors by NumPy, and ``LIKE`` over all texts by DuckDB. There is one client.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from assets.search.narration import FACTS, TEXTS, Filters, NarrationArray
from assets.search.query import parse
from orchestration.search.app import build_app
from orchestration.search.corpus import Corpus
from orchestration.search.library import Library
from orchestration.search.lists import Meaning, Words
from orchestration.search.loader import Loader
from orchestration.search.options import SearchOptions
from tests.benchmarks.results import Table

DIM = int(os.environ.get("BENCH_SEARCH_DIM", "384"))
SIZES = [int(size) for size in os.environ.get("BENCH_SEARCH_CLIPS", "2000,100000").split(",")]
CLIPS_OF_VIDEO, CLIP_S, BLOCK, CLUSTERS, VOCABULARY, WORDS_OF_CLIP = 100, 4.0, 50_000, 2000, 20_000, 12
REQUESTS = 100
CATEGORIES = ("Food", "Crafts", "Cars", "Pets")


def vectors_of(rng: np.random.Generator, centres: NDArray[np.float32], clips: int) -> NDArray[np.float32]:
    """Unit vectors around random centres."""
    found = centres[rng.integers(len(centres), size=clips)] + rng.normal(size=(clips, DIM)).astype("f4") / DIM**0.5
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def blocks(clips: int) -> Iterator[tuple[pl.DataFrame, NDArray[np.float32]]]:
    """Passages of consecutive clips, and their vectors. Word k of the vocabulary is said with probability ~ 1 / k."""
    rng = np.random.default_rng(0)
    centres = np.random.default_rng(1).normal(size=(CLUSTERS, DIM)).astype("f4")
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    chances = 1 / np.arange(10, VOCABULARY + 10)
    for start in range(0, clips, BLOCK):
        rows = np.arange(start, min(start + BLOCK, clips))
        said = rng.choice(VOCABULARY, size=(len(rows), WORDS_OF_CLIP), p=chances / chances.sum())
        text = [" ".join(f"word{word}" for word in line) for line in said]
        video = rows // CLIPS_OF_VIDEO
        begin = CLIP_S * (rows % CLIPS_OF_VIDEO)
        columns = {"video_id": [f"video-{each}" for each in video], "clip_index": rows % CLIPS_OF_VIDEO}
        columns |= {"start_s": begin, "end_s": begin + CLIP_S, "line_end_s": begin + CLIP_S}
        columns |= {
            "category": [CATEGORIES[each % 4] for each in video],
            "channel": [f"c{each % 50}" for each in video],
        }
        columns |= {"source": ["synthetic"] * len(rows), "duration_s": 1.0 * (video % 900), "caption": text}
        frame = pl.DataFrame({**columns, "passage": text, "caption_source": ["asr"] * len(rows)})
        yield frame.with_columns(upload_date=pl.lit(None, pl.Date)), vectors_of(rng, centres, len(rows))


def arrays(clips: int, folder: Path) -> tuple[NarrationArray, NarrationArray]:
    """The words and the vectors of some passages, as the assets write them."""

    def encoded() -> Iterator[pa.Table]:
        for frame, vectors in blocks(clips):
            table = frame.select(FACTS.names).to_arrow()
            hashes = pa.array(np.arange(len(frame)), pa.int64())
            stacked = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).ravel()), DIM)
            yield table.append_column("passage_hash", hashes).append_column("vector", stacked)

    words, meaning = NarrationArray(folder / "words.lance"), NarrationArray(folder / "meaning.lance")
    words.write_words(frame.select([*FACTS.names, *TEXTS.names]).to_arrow() for frame, _ in blocks(clips))
    meaning.write_vectors(encoded(), DIM)
    return words.pinned(), meaning.pinned()


def milliseconds(work: Callable[[int], object]) -> np.ndarray:
    """Milliseconds of each of many calls, after one that is not counted."""
    work(0)
    taken = []
    for turn in range(REQUESTS):
        started = time.perf_counter()
        work(turn)
        taken.append(1000 * (time.perf_counter() - started))
    return np.array(taken)


@pytest.mark.parametrize("clips", SIZES)
def test_a_search_and_its_parts(clips: int, tmp_path: Path, table: Callable[..., Table]) -> None:
    started = time.perf_counter()
    words, meaning = arrays(clips, tmp_path)
    made_s = time.perf_counter() - started
    frame = pl.concat(frame for frame, _ in blocks(clips))
    stored = np.concatenate([vectors for _, vectors in blocks(clips)]).astype(np.float16)
    queries = stored[np.linspace(0, clips - 1, REQUESTS).astype(int)].astype(np.float32)
    texts = [parse(f"word{50 + turn} word{900 + turn} how to") for turn in range(REQUESTS)]
    where = Filters(category="Food", max_duration_s=450).condition()
    facts = frame.unique("video_id").sort("video_id").select(pl.exclude("clip_index", "caption", "passage"))
    corpus = Corpus(words, facts.with_columns(title=pl.col("video_id"), split=pl.lit("test")), {})
    lists = {"words": Words(words), "meaning": Meaning(meaning, lambda _: queries[:1])}
    loaders = {key: Loader(key, lambda each=each: each, lambda: 1) for key, each in lists.items()}
    app = build_app(
        Library(Loader("narration", lambda: corpus, lambda: 1), loaders),
        [],
        SearchOptions(hosts=("testserver",), rate=1e6, burst=10**6),
    )
    database = duckdb.connect()
    database.register("passages", frame.select("video_id", "passage"))

    def exact(turn: int) -> list[int]:
        scores = stored.astype(np.float32) @ queries[turn] if clips <= BLOCK else _scores(stored, queries[turn])
        return np.argpartition(-scores, 9)[:10].tolist()

    with TestClient(app) as client:
        while client.get("/healthz").json()["message"] or client.get("/healthz").status_code != 200:
            time.sleep(0.05)
        rows = {
            "words": milliseconds(lambda turn: words.said(texts[turn], 100)),
            "words with a filter": milliseconds(lambda turn: words.said(texts[turn], 100, where)),
            "meaning": milliseconds(lambda turn: meaning.near(queries[turn], 100)),
            "meaning with a filter": milliseconds(lambda turn: meaning.near(queries[turn], 100, where)),
            "request to the API": milliseconds(
                lambda turn: client.get(f"/api/search?q=word{50 + turn}+word{900 + turn}")
            ),
            "DuckDB LIKE over all texts": milliseconds(lambda turn: database.sql(_like(turn)).fetchall()),
            "scan of all vectors by NumPy": milliseconds(exact),
        }
    hits = 0
    for turn in range(REQUESTS):
        found = {(each.video_id, each.start_s) for each in meaning.near(queries[turn], 10)}
        wanted = {(frame["video_id"][row], frame["start_s"][row]) for row in exact(turn)}
        hits += len(found & wanted)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    title = f"Narration: {clips:,} passages, {DIM} dimensions, made in {made_s:.0f} s, recall@10 of meaning"
    title += f" {hits / (10 * REQUESTS):.3f}, {memory:.1f} GiB with the peers"
    measured = table(title, "operation", "p50 ms", "p95 ms")
    for name, taken in rows.items():
        measured.add(name, np.median(taken), np.quantile(taken, 0.95))


def _scores(stored: NDArray[np.float16], query: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = range(0, len(stored), BLOCK)
    return np.concatenate([stored[start : start + BLOCK].astype(np.float32) @ query for start in parts])


def _like(turn: int) -> str:
    both = (f"passage LIKE '%word{50 + turn} %'", f"passage LIKE '%word{900 + turn} %'")
    return f"SELECT video_id FROM passages WHERE {' OR '.join(both)} LIMIT 100"

"""Latency and recall of the search in the narration, by words, meaning and filters, and of a request to the page.

Passages are sentences of random words with random vectors in clusters. The peers run in the same process: LanceDB's
hybrid search of both, DuckDB's full-text search and its ``LIKE`` over all texts, and a scan of all vectors by NumPy.
There is one client. ``BENCH_SEARCH_CLIPS`` and ``BENCH_SEARCH_DIM`` choose sizes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from assets.lake.extensions import install_extension
from assets.search.narration import FACTS, TEXTS, Filters, NarrationArray
from assets.search.query import parse
from ml.memory_counters import resident_mib
from orchestration.search.app import build_app
from orchestration.search.corpus import Corpus
from orchestration.search.library import Library
from orchestration.search.lists import Meaning, Selection, Words
from orchestration.search.loader import Loader
from orchestration.search.options import SearchOptions
from tests.benchmarks.results import Table

DIM = int(os.environ.get("BENCH_SEARCH_DIM", "384"))
SIZES = [int(size) for size in os.environ.get("BENCH_SEARCH_CLIPS", "2000,100000").split(",")]
CLIPS_OF_VIDEO, CLIP_S, BLOCK, CLUSTERS, VOCABULARY, WORDS_OF_CLIP = 100, 4.0, 50_000, 2000, 20_000, 12
REQUESTS = 100
LONGEST_S, REFINED = 30.0, 10
FITS_IN_MEMORY = 2_000_000
"""Passages whose vectors NumPy scans in memory."""
FILTERS = {
    "": Filters(),
    " with a filter that passes an eighth": Filters(category="Food", max_duration_s=450),
    " with a filter that passes a fiftieth": Filters(channel="c3"),
}
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


def write_blocks(clips: int, folder: Path) -> list[Path]:
    """The passages with their vectors as Arrow files, because each way to search reads all of them."""
    folder.mkdir()
    files: list[Path] = []
    for frame, vectors in blocks(clips):
        stacked = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).ravel()), DIM)
        schema = pa.schema([*FACTS, *TEXTS])
        rows = frame.select(schema.names).to_arrow().cast(schema).append_column("vector", stacked)
        files.append(folder / f"{len(files):05d}.arrow")
        with pa.ipc.new_file(files[-1], rows.schema) as file:
            file.write(rows.combine_chunks())
    return files


def read_blocks(files: Sequence[Path]) -> Iterator[pa.Table]:
    for file in files:
        with pa.memory_map(str(file)) as mapped:
            yield pa.ipc.open_file(mapped).read_all()


def vectors_of_block(block: pa.Table) -> NDArray[np.float16]:
    """``[passages, DIM]``."""
    found: NDArray[np.float16] = block["vector"].combine_chunks().flatten().to_numpy().reshape(-1, DIM)
    return found


def arrays(files: Sequence[Path], folder: Path) -> tuple[NarrationArray, NarrationArray]:
    """The words and the vectors of some passages, as the assets write them."""

    def encoded() -> Iterator[pa.Table]:
        for block in read_blocks(files):
            hashes = pa.array(np.arange(block.num_rows), pa.int64())
            yield (
                block.select(FACTS.names).append_column("passage_hash", hashes).append_column("vector", block["vector"])
            )

    words, meaning = NarrationArray(folder / "words.lance"), NarrationArray(folder / "meaning.lance")
    words.write_words(block.select([*FACTS.names, *TEXTS.names]) for block in read_blocks(files))
    meaning.write_vectors(encoded(), DIM)
    return words.pinned(), meaning.pinned()


def lancedb_table(files: Sequence[Path], folder: Path) -> Any:
    """The passages in LanceDB, with an index of the vectors that it builds about as fast as we do."""
    import lancedb
    from lancedb.index import FTS, IvfRq

    columns = ["video_id", "start_s", "category", "duration_s", "passage", "vector"]
    schema = next(read_blocks(files)).select(columns).schema
    batches = (batch for block in read_blocks(files) for batch in block.select(columns).to_batches())
    made = lancedb.connect(folder / "lancedb").create_table(
        "passages", pa.RecordBatchReader.from_batches(schema, batches)
    )
    made.create_index("vector", config=IvfRq(distance_type="cosine"))
    made.create_index("passage", config=FTS())
    return made


def duckdb_texts(files: Sequence[Path], folder: Path) -> duckdb.DuckDBPyConnection:
    """The passages in DuckDB, with its full-text index."""
    install_extension("fts")
    database = duckdb.connect(folder / "texts.duckdb")
    database.execute("LOAD fts")
    database.execute("CREATE TABLE passages (number BIGINT, video_id VARCHAR, passage VARCHAR)")
    for index, block in enumerate(read_blocks(files)):
        rows = block.select(["video_id", "passage"])
        database.execute(f"INSERT INTO passages SELECT {index * BLOCK} + row_number() OVER (), * FROM rows")
        del rows
    database.execute("PRAGMA create_fts_index('passages', 'number', 'passage')")
    return database


def nearest(files: Sequence[Path], queries: NDArray[np.float32]) -> list[set[tuple[str, float]]]:
    """The exact ten nearest passages of each query, by video and start."""
    best = np.full((len(queries), 0), -np.inf, np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    for index, block in enumerate(read_blocks(files)):
        scores = queries @ vectors_of_block(block).astype(np.float32).T
        own = np.broadcast_to(np.arange(scores.shape[1]) + index * BLOCK, scores.shape)
        best, rows = np.concatenate([best, scores], 1), np.concatenate([rows, own], 1)
        kept = np.argpartition(-best, 9, axis=1)[:, :10]
        best, rows = np.take_along_axis(best, kept, 1), np.take_along_axis(rows, kept, 1)
    return [{(f"video-{row // CLIPS_OF_VIDEO}", CLIP_S * (row % CLIPS_OF_VIDEO)) for row in line} for line in rows]


def milliseconds(work: Callable[[int], object]) -> np.ndarray:
    """Milliseconds of each of many calls, fewer if they are slow, after one that is not counted."""
    work(0)
    taken: list[float] = []
    for turn in range(REQUESTS):
        started = time.perf_counter()
        work(turn)
        taken.append(1000 * (time.perf_counter() - started))
        if sum(taken) > 1000 * LONGEST_S:
            break
    return np.array(taken)


@pytest.mark.parametrize("clips", SIZES)
def test_a_search_and_its_parts(clips: int, tmp_path: Path, table: Callable[..., Table]) -> None:
    files = write_blocks(clips, tmp_path / "blocks")
    started = time.perf_counter()
    words, meaning = arrays(files, tmp_path)
    made_s = time.perf_counter() - started
    some = next(read_blocks(files))
    queries = vectors_of_block(some)[np.linspace(0, some.num_rows - 1, REQUESTS).astype(int)].astype(np.float32)
    texts = [parse(f"word{50 + turn} word{900 + turn} how to") for turn in range(REQUESTS)]
    corpus = corpus_of(files, words)
    said, meant = Words(words), Meaning(meaning, lambda _: queries[:1])
    with client_of(corpus, said, meant) as client:

        def request(turn: int, filters: str = "") -> None:
            client.get(f"/api/search?q=word{50 + turn}+word{900 + turn}{filters}").raise_for_status()

        def by_words(selection: Selection, turn: int) -> object:
            return said.find(texts[turn], 100, selection)

        def by_meaning(selection: Selection, turn: int) -> object:
            return meant.near(queries[turn], 100, selection)

        rows = {}
        for name, filters in FILTERS.items():
            selection = corpus.selection(filters)
            rows[f"words{name}"] = milliseconds(partial(by_words, selection))
            rows[f"meaning{name}"] = milliseconds(partial(by_meaning, selection))
        rows["request to the API"] = milliseconds(request)
        rows["request to the API with a filter"] = milliseconds(
            lambda turn: request(turn, "&category=Food&max_duration_s=450")
        )
    memory = resident_mib("VmHWM") / 1024
    wanted = nearest(files, queries)
    lance = lancedb_table(files, tmp_path)
    recalls = {
        "meaning": recall([meaning.near(query, 10) for query in queries], wanted),
        "LanceDB, hybrid": recall([lancedb_nearest(lance, query) for query in queries], wanted),
    }
    rows |= peers(files, lance, duckdb_texts(files, tmp_path), queries)
    title = f"Narration: {clips:,} passages, {DIM} dimensions, made in {made_s:.0f} s, {memory:.1f} GiB without peers"
    measured = table(title, "operation", "p50 ms", "p95 ms", "recall@10 of vectors")
    for name, taken in rows.items():
        measured.add(name, np.median(taken), np.quantile(taken, 0.95), recalls.get(name))


def recall(found: Sequence[Sequence[Any]], wanted: Sequence[set[tuple[str, float]]]) -> float:
    """The share of the ten nearest passages that were found."""
    hits = [
        len({(each.video_id, each.start_s) for each in some} & exact) for some, exact in zip(found, wanted, strict=True)
    ]
    return sum(hits) / sum(map(len, wanted))


def lancedb_nearest(lance: Any, query: NDArray[np.float32]) -> list[Any]:
    """LanceDB's ten nearest passages; without refinement it finds half of them."""
    rows = lance.search(query).refine_factor(REFINED).limit(10).to_list()
    return [SimpleNamespace(**row) for row in rows]


def corpus_of(files: Sequence[Path], words: NarrationArray) -> Corpus:
    """The passages with the facts of their videos."""
    videos = pl.concat(pl.DataFrame(block.select(FACTS.names)).unique("video_id") for block in read_blocks(files))
    facts = videos.unique("video_id").sort("video_id").select(pl.exclude("clip_index"))
    return Corpus(words, facts.with_columns(title=pl.col("video_id"), split=pl.lit("test")), {})


@contextmanager
def client_of(corpus: Corpus, words: Words, meaning: Meaning) -> Iterator[TestClient]:
    """A client of the page over both lists, when the page has loaded them."""
    lists: dict[str, Any] = {"words": words, "meaning": meaning}
    loaders = {key: Loader(key, partial(lists.__getitem__, key), lambda: 1) for key in lists}
    library = Library(Loader("narration", lambda: corpus, lambda: 1), loaders)
    with TestClient(build_app(library, [], SearchOptions(hosts=("testserver",), rate=1e6, burst=10**6))) as client:
        while client.get("/healthz").json()["message"] or client.get("/healthz").status_code != 200:
            time.sleep(0.05)
        yield client


def peers(
    files: Sequence[Path], lance: Any, texts: duckdb.DuckDBPyConnection, queries: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of the same searches by others."""

    def hybrid(turn: int, where: str | None = None) -> object:
        search = lance.search(query_type="hybrid").vector(queries[turn]).text(f"word{50 + turn} word{900 + turn}")
        search = search.refine_factor(REFINED)
        return (search.where(where) if where else search).limit(100).to_arrow()

    rows = {
        "LanceDB, hybrid": milliseconds(hybrid),
        "LanceDB, hybrid with a filter": milliseconds(
            lambda turn: hybrid(turn, "category = 'Food' AND duration_s <= 450")
        ),
        "DuckDB fts": milliseconds(lambda turn: texts.sql(_match(turn)).fetchall()),
        "DuckDB LIKE over all texts": milliseconds(lambda turn: texts.sql(_like(turn)).fetchall()),
    }
    if len(files) * BLOCK <= FITS_IN_MEMORY:
        stored = np.concatenate([vectors_of_block(block) for block in read_blocks(files)])
        rows["scan of all vectors by NumPy"] = milliseconds(
            lambda turn: np.argpartition(-_scores(stored, queries[turn]), 9)[:10]
        )
    return rows


def _scores(stored: NDArray[np.float16], query: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = range(0, len(stored), BLOCK)
    return np.concatenate([stored[start : start + BLOCK].astype(np.float32) @ query for start in parts])


def _match(turn: int) -> str:
    score = f"fts_main_passages.match_bm25(number, 'word{50 + turn} word{900 + turn}')"
    return (
        f"SELECT video_id FROM (SELECT video_id, {score} AS score FROM passages)"
        " WHERE score IS NOT NULL ORDER BY score DESC LIMIT 100"
    )


def _like(turn: int) -> str:
    both = (f"passage LIKE '%word{50 + turn} %'", f"passage LIKE '%word{900 + turn} %'")
    return f"SELECT video_id FROM passages WHERE {' OR '.join(both)} LIMIT 100"

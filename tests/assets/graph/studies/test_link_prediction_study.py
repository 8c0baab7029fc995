"""Link prediction on baskets with dates: what is later is not used, and every method ranks the same pairs."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from assets.graph.edges import GraphError
from assets.graph.options import GraphOptions
from assets.graph.studies.link_prediction import figure, link_prediction_study, timeline
from assets.lake import load_tables
from ml.link_prediction.model import LinkConfig

KINDS, EACH, DAYS = 4, 12, 50


def transactions(days: int = DAYS) -> pl.DataFrame:
    """Baskets of three products of one kind, ten a day; the last day also has a product that nobody had before."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(10 * days):
        day = date(2026, 1, 1) + timedelta(days=number // 10)
        products = [f"p{number % KINDS}-{item:02d}" for item in rng.choice(EACH, 3, replace=False)]
        if number >= 10 * (days - 1):
            products.append("unknown before")
        rows += [(f"b{number:04d}", product, "h", "s", 1, 2.0, day) for product in products]
    lines = [(line, *row, "test", True, None) for line, row in enumerate(rows)]
    return load_tables()["retail_baskets"].frame(lines)


PRODUCTS = load_tables()["products"].frame(
    (line, f"p{kind}-{item:02d}", "m", f"kind {kind}", "National", "c", "t", "5 OZ", "test", True, None)
    for line, (kind, item) in enumerate((kind, item) for kind in range(KINDS) for item in range(EACH))
)


def test_no_day_is_in_two_periods_and_later_products_are_unknown() -> None:
    time = timeline(transactions(), 300)
    days = time.lines.group_by("period").agg(low=pl.col("purchased_on").min(), high=pl.col("purchased_on").max())
    borders = days.sort("period").select("low", "high").rows()
    assert all(before[1] < after[0] for before, after in pairwise(borders))
    assert time.tested_from == borders[2][0] == date(2026, 2, 10)
    assert "unknown before" not in time.products["product_id"]
    assert time.baskets(2).matrix.shape == (100, KINDS * EACH)
    assert time.baskets(0, 1).matrix.shape[0] == 400


def test_every_method_is_measured_on_the_same_pairs() -> None:
    config = LinkConfig(dim=8, steps=40, pairs_per_batch=256, learning_rate=0.05)
    options = GraphOptions(mutual=False)
    study = link_prediction_study(transactions(), PRODUCTS, options, (0, 1), config)
    assert study.filter(pl.col("pairs") == "all").select("method", "seed", "queries").rows() == [
        ("popularity", 0, 5000),
        ("item-item cosine", 0, 5000),
        ("graph embedding", 0, 5000),
        ("graph embedding", 1, 5000),
    ]
    rate = {(m, p): r for m, p, r in study.select("method", "pairs", "hit_rate_at_10").iter_rows()}
    assert rate["graph embedding", "all"] > 2 * rate["popularity", "all"]
    assert rate["item-item cosine", "all"] > 2 * rate["popularity", "all"]
    panels = figure(study).axes
    assert [axes.get_title() for axes in panels] == ["hit rate at 10", "hit rate at 50", "mrr"]
    assert all(len(axes.containers) >= 3 for axes in panels)


def test_transactions_of_one_day_are_refused() -> None:
    with pytest.raises(GraphError, match="needs baskets of three periods, but the baskets are of 1 days"):
        timeline(transactions(1), 300)
    with pytest.raises(GraphError, match="of 0 days"):
        timeline(transactions().with_columns(purchased_on=pl.lit(None, pl.Date)), 300)

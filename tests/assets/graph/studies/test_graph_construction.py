"""Comparing ways to make edges, on baskets in which each department is mostly bought by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import duckdb
import numpy as np
import polars as pl
import pytest
from scipy import sparse

from assets.graph.co_purchases import co_purchases
from assets.graph.edges import GraphError
from assets.graph.options import Construction, GraphOptions
from assets.graph.studies.graph_construction import construction_study, constructions, constructions_figure, homophily
from assets.lake import Lake, load_tables
from assets.splits import SplitOptions, split_of
from ml.cluster_gcn.data import UNLABELLED
from orchestration.artifacts.tables import contract_violations

SPLIT = SplitOptions(seed=0, held_out_share=0.2)
OPTIONS = GraphOptions(min_baskets=1, max_basket_items=50, neighbours=5, clusters=4, seed=0)
DATABASE = duckdb.connect()


@pytest.fixture(scope="module")
def shop() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Synthetic transactions and products: 3 departments of 40 products, 4 of 5 in a basket from one of them."""
    rng = np.random.default_rng(0)
    baskets = [
        (f"b{basket}", f"p{40 * (basket % 3) + item if place else rng.integers(120):03d}")
        for basket in range(600)
        for place, item in enumerate(rng.choice(40, size=5, replace=False))
    ]
    transactions = pl.DataFrame(baskets, schema=["basket_id", "product_id"], orient="row").with_columns(
        household_id=pl.lit("h"),
        store_id=pl.lit("s"),
        quantity=1,
        sales_value=1.0,
        purchased_on=date(2024, 1, 1),
        kept=True,
    )
    products = pl.DataFrame({"product_id": [f"p{index:03d}" for index in range(120)]}).with_columns(
        department=pl.Series([("DAIRY", "BAKERY", "DRUG")[index // 40] for index in range(120)]),
        brand=pl.Series([("National", "Private")[index % 2] for index in range(120)]),
        package_size=pl.lit("1 L"),
        manufacturer_id=pl.lit("1"),
        kept=True,
    )
    return transactions, products


def study(shop: tuple[pl.DataFrame, pl.DataFrame], *compared: Construction) -> pl.DataFrame:
    transactions, products = shop
    pairs = co_purchases(DATABASE.from_arrow(transactions.to_arrow()), 1, 50).create_view("pairs_of_shop", replace=True)
    return construction_study(pairs, products, transactions, compared, OPTIONS, SPLIT, progress=lambda line: None)


EVERY_PAIR = Construction("baskets", 0, mutual=False, min_baskets=1)
STRONGEST = Construction("significance", 8, mutual=True, min_baskets=2)


def test_significant_edges_separate_departments_better_than_all_pairs(
    shop: tuple[pl.DataFrame, pl.DataFrame], lake: Lake
) -> None:
    rows = study(shop, EVERY_PAIR, STRONGEST)
    lake.write("graph_construction_study", rows)
    assert not contract_violations(lake, load_tables()["graph_construction_study"], None)
    every, strongest = rows.iter_rows(named=True)
    assert every["construction"] == "all by baskets, 1 baskets" and every["isolated_share"] == 0
    assert strongest["construction"] == "mutual top-8 by significance, 2 baskets"
    assert strongest["edges"] < every["edges"] and strongest["edge_cut"] < every["edge_cut"]
    assert strongest["adjusted_homophily"] > every["adjusted_homophily"] + 0.2
    assert strongest["gcn_accuracy"] > strongest["lr_accuracy"]
    assert every["lr_accuracy"] == strongest["lr_accuracy"]
    assert strongest["connected_validation_nodes"] <= strongest["validation_nodes"] == every["validation_nodes"]
    assert len(constructions_figure(rows).axes) == 3


def test_labels_of_test_products_do_not_change_a_score(shop: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    transactions, products = shop
    of_test = pl.col("product_id").map_elements(lambda product: split_of(product, SPLIT) == "test", pl.Boolean)
    renamed = pl.col("department").replace({"DAIRY": "BAKERY", "BAKERY": "DRUG", "DRUG": "DAIRY"})
    relabelled = products.with_columns(department=pl.when(of_test).then(renamed).otherwise("department"))
    assert study((transactions, relabelled), STRONGEST).equals(study(shop, STRONGEST))


def test_a_construction_without_scores_has_a_reason(shop: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    row = study(shop, replace(STRONGEST, min_baskets=500)).row(0, named=True)
    assert row["gcn_accuracy"] is None and "no pair of products becomes an edge" in row["reason"]
    transactions, products = shop
    with pytest.raises(GraphError, match=r"no labelled product in the split train, of 120 products"):
        study((transactions, products.with_columns(department=pl.lit(None, pl.String))), STRONGEST)
    assert len({construction.name for construction in constructions(2)}) == len(constructions(2))


def test_homophily_by_hand() -> None:
    # 0-1-2 in a row, 3 apart, 4 without a label: of the edges 0-1, 1-2 one is between equals.
    ends = np.array([[0, 1], [1, 2], [2, 4]])
    both = np.concatenate([ends, ends[:, ::-1]])
    matrix = sparse.csr_array((np.ones(6), (both[:, 0], both[:, 1])), shape=(5, 5))
    same, adjusted = homophily(matrix, np.array([0, 0, 1, 1, UNLABELLED]))
    chance = (3 / 4) ** 2 + (1 / 4) ** 2
    assert same == 0.5 and adjusted == pytest.approx((0.5 - chance) / (1 - chance))
    assert homophily(matrix, np.array([0, 0, 0, 0, 0])) == (1, None)
    assert homophily(matrix, np.full(5, UNLABELLED)) == (None, None)

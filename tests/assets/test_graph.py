"""From retail files to the co-purchase graph, on baskets small enough to count by hand."""

from __future__ import annotations

from datetime import date
from itertools import combinations
from math import log
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.graph.co_purchases import co_purchases, oversized_baskets
from assets.graph.nodes import graph_edges, graph_nodes, node_features, significant_edges
from assets.sources.retail import CompleteJourney, RetailError, RetailFiles
from assets.splits import SplitOptions

DATABASE = duckdb.connect()

PRODUCTS = """product_id,manufacturer_id,department,brand,product_category,product_type,package_size
a,1,DAIRY,National,MILK,MILK,1 L
b,1,DAIRY,Private,MILK,MILK,(2) 500 ML
a,2,BAKERY,National,BREAD,BREAD,
,2,BAKERY,National,BREAD,BREAD,
"""
TRANSACTIONS = """basket_id,product_id,household_id,store_id,quantity,sales_value,purchased_on
1,a,h,s,1,2.0,2024-02-29
1,b,h,s,0.4,1.5,2024-02-29 10:11:12
1,a,h,s,-1,-2.0,2024-02-29
,a,h,s,1,2.0,2024-02-29
2,,h,s,0,2.0,2024-02-29
2,b,h,s,two,2.0,2024-02-29
2,b,,,,,someday
"""

SPLIT = SplitOptions(seed=0, held_out_share=0.2)


def retail(folder: Path, transactions: str = TRANSACTIONS, products: str = PRODUCTS) -> RetailFiles:
    (folder / "transactions.csv").write_text(transactions)
    (folder / "products.csv").write_text(products)
    return RetailFiles(folder / "transactions.csv", folder / "products.csv")


def test_lines_that_do_not_count_keep_their_first_reason(tmp_path: Path) -> None:
    source = retail(tmp_path)
    lines = source.transactions().collect()
    assert lines["reason"].to_list() == [
        None,
        None,
        "quantity not above 0",
        "no basket",
        "no product",
        "quantity is not a number",
        None,
    ]
    assert lines["kept"].to_list() == lines["reason"].is_null().to_list()
    assert lines.row(1)[:7] == ("1", "b", "h", "s", 1, 1.5, date(2024, 2, 29))
    assert lines.row(6)[:7] == ("2", "b", None, None, None, None, None)
    assert source.products().collect()["reason"].to_list() == [
        None,
        None,
        "same id as an earlier product",
        "no product",
    ]


def test_a_wrong_file_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    source = retail(tmp_path, transactions="basket_id,product,quantity\n1,a,1\n")
    with pytest.raises(RetailError, match=r"transactions.csv: no column product_id, .*; it has basket_id, product, q"):
        source.transactions()
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not Parquet")
    with pytest.raises(RetailError, match=r"broken.parquet: not readable"):
        RetailFiles(broken, broken).products()
    with pytest.raises(RetailError, match=r"transactions.csv: not readable.*more fields"):
        retail(tmp_path, transactions=TRANSACTIONS + "3,a,h,s,1,1,2024-01-01,surplus\n").transactions()
    with pytest.raises(RetailError, match=r"absent.csv"):
        RetailFiles(tmp_path / "absent.csv", broken).version()
    with pytest.raises(RetailError, match=r"absent.csv"):
        RetailFiles(tmp_path / "absent.csv", broken).transactions()


def test_the_version_follows_the_files(tmp_path: Path) -> None:
    before = retail(tmp_path).version()
    assert retail(tmp_path, transactions=TRANSACTIONS + "3,a,h,s,1,1,2024-01-01\n").version() != before


def test_the_packaged_data_reads_like_files_of_ones_own(tmp_path: Path) -> None:
    packaged, own = CompleteJourney(), retail(tmp_path)
    assert "simulated" in packaged.name
    assert packaged.transactions().collect_schema() == own.transactions().collect_schema()
    assert packaged.products().collect_schema() == own.products().collect_schema()


def lines(baskets: dict[str, list[str]], dropped: dict[str, list[str]] | None = None) -> pl.DataFrame:
    rows = [
        (basket, product, kept)
        for kept, several in ((True, baskets), (False, dropped or {}))
        for basket, products in several.items()
        for product in products
    ]
    return pl.DataFrame(
        rows, schema={"basket_id": pl.String, "product_id": pl.String, "kept": pl.Boolean}, orient="row"
    )


def pairs(transactions: pl.DataFrame, min_baskets: int = 1, max_basket_items: int = 10) -> pl.DataFrame:
    relation = DATABASE.from_arrow(transactions.to_arrow())
    return co_purchases(relation, min_baskets, max_basket_items).pl().sort("product_a", "product_b")


def test_pairs_by_hand() -> None:
    transactions = lines(
        {"1": ["milk", "bread", "milk"], "2": ["bread", "milk"], "3": ["bread"], "4": ["eggs", "milk"]},
        dropped={"3": ["eggs"]},
    )
    made = pairs(transactions)
    assert made.select("product_a", "product_b", "baskets").rows() == [("bread", "milk", 2), ("eggs", "milk", 1)]
    lifts = [(2 / 4) / (3 / 4 * 3 / 4), (1 / 4) / (1 / 4 * 3 / 4)]
    assert made["lift"].to_list() == pytest.approx(lifts)
    assert made["npmi"].to_list() == pytest.approx([log(lifts[0]) / -log(2 / 4), log(lifts[1]) / -log(1 / 4)])
    assert made.schema["baskets"] == pl.Int64
    assert pairs(transactions, min_baskets=2)["product_a"].to_list() == ["bread"]


def test_a_pair_in_every_basket_is_as_close_as_can_be() -> None:
    assert pairs(lines({"1": ["a", "b"], "2": ["a", "b"]}))["npmi"].to_list() == [1.0]


def test_oversized_baskets_count_nowhere() -> None:
    small = {"1": ["a", "b"], "2": ["a"]}
    assert pairs(lines(small | {"3": ["a", "b", "c"]}), max_basket_items=2).equals(pairs(lines(small)))
    relation = DATABASE.from_arrow(lines(small | {"3": ["a", "b", "c"]}).to_arrow())
    assert [oversized_baskets(relation, limit) for limit in (1, 2, 3)] == [2, 1, 0]


BASKETS = st.dictionaries(st.sampled_from("12345"), st.lists(st.sampled_from("abcdef"), max_size=8), max_size=5)


@settings(max_examples=20, deadline=None)
@given(BASKETS)
def test_pairs_are_what_counting_gives(baskets: dict[str, list[str]]) -> None:
    expected: dict[tuple[str, str], int] = {}
    for products in baskets.values():
        for pair in combinations(sorted(set(products)), 2):
            expected[pair] = expected.get(pair, 0) + 1
    made = pairs(lines(baskets))
    assert dict(zip(made.select("product_a", "product_b").rows(), made["baskets"], strict=True)) == expected
    assert made["npmi"].is_between(-1 - 1e-9, 1 + 1e-9).all()


def strengths(*rows: tuple[str, str, float]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["product_a", "product_b", "npmi"], orient="row")
    return frame.with_columns(baskets=pl.lit(2, pl.Int64), lift=pl.lit(1.0))


def test_an_edge_needs_both_ends() -> None:
    candidates = strengths(("a", "b", 0.9), ("b", "c", 0.8), ("c", "d", 0.7), ("e", "f", -0.1))
    assert significant_edges(candidates, 1).select("product_a", "product_b").rows() == [("a", "b")]
    assert significant_edges(candidates, 2).select("product_a", "product_b").rows() == [
        ("a", "b"),
        ("b", "c"),
        ("c", "d"),
    ]


def test_ties_do_not_depend_on_the_order_of_rows() -> None:
    candidates = strengths(*[(a, b, 0.5) for a, b in combinations("abcdefgh", 2)])
    kept = [significant_edges(candidates.sample(fraction=1, shuffle=True, seed=seed), 3) for seed in range(4)]
    assert all(edges.equals(kept[0]) for edges in kept) and len(kept[0])


def catalogue(departments: dict[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "product_id": list(departments),
            "department": list(departments.values()),
            "brand": "National",
            "package_size": "12 OZ",
            "manufacturer_id": "7",
            "kept": True,
        },
        schema_overrides={"department": pl.String},
    )


def test_nodes_are_numbered_by_product_and_rare_departments_have_no_label() -> None:
    names = [f"p{index}" for index in range(8)]
    products = catalogue({name: "DAIRY" if index < 5 else "FUEL" for index, name in enumerate(names)} | {"p7": None})
    edges = strengths(*[(a, b, 0.5) for a, b in combinations(names, 2)])
    nodes = graph_nodes(edges, products, SPLIT)
    assert nodes["product_id"].to_list() == names and nodes["node_id"].to_list() == list(range(8))
    assert nodes["label"].to_list() == ["DAIRY"] * 5 + [None] * 3
    assert nodes["split"].to_list()[5:] == ["unlabelled"] * 3
    assert (graph_edges(edges, nodes)["node_a"] < graph_edges(edges, nodes)["node_b"]).all()

    without_the_first = graph_nodes(edges.filter(pl.col("product_a") != "p0"), products, SPLIT)
    departed = nodes.filter(pl.col("product_id") != "p0")
    assert without_the_first["product_id"].to_list() == departed["product_id"].to_list()


def test_features_describe_the_product_and_never_its_place_in_the_hierarchy() -> None:
    names = [f"p{index}" for index in range(6)]
    products = catalogue(dict.fromkeys(names, "DAIRY"))
    nodes = graph_nodes(strengths(*[(a, b, 0.5) for a, b in combinations(names, 2)]), products, SPLIT)
    bought = pl.DataFrame(
        {
            "basket_id": ["1", "2", "2"],
            "product_id": ["p0", "p0", "p0"],
            "household_id": ["h", "h", "h"],
            "store_id": ["s", "s", "s"],
            "quantity": [1, 2, 9],
            "sales_value": [3.0, 2.0, 9.0],
            "purchased_on": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)],
            "kept": [True, True, False],
        }
    )
    made = node_features(nodes, products, bought)
    first = dict(made.filter(pl.col("node_id") == 0).select("feature", "value").iter_rows())
    assert made.schema == {"node_id": pl.Int64, "feature": pl.String, "value": pl.Float64}
    assert first["package_size=12 OZ"] == first["package_unit=OZ"] == first["brand=National"] == 1
    assert first["log package amount"] == pytest.approx(log(13))
    assert first["log mean price"] == pytest.approx(log(1 + (3 / 1 + 2 / 2) / 2))
    assert first["mean discount"] == pytest.approx(1 - 2 / 3)
    assert first["log quantity"] == pytest.approx(log(4)) and first["log baskets"] == pytest.approx(log(3))
    assert first["weekday=1"] == first["weekday=2"] == 0.5 and "weekday=3" not in first
    assert not any("DAIRY" in name or "manufacturer" in name for name in made["feature"])
    assert "manufacturer_id=7" in set(node_features(nodes, products, bought, manufacturer=True)["feature"])

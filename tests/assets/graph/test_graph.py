"""The co-purchase graph, on baskets small enough to count by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import combinations
from math import log
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, special

from assets.graph.arrays import adjacency
from assets.graph.clusters import cluster_count, clusters_of, edge_cut
from assets.graph.co_purchases import co_purchases, without_pairs
from assets.graph.edges import GraphError, edges
from assets.graph.features import levels_above, node_features, single_feature_baselines
from assets.graph.nodes import graph_edges, graph_nodes, require_labels
from assets.graph.options import Construction, Measure
from assets.lake import Lake, load_tables
from assets.splits import SplitOptions
from assets.statistics.queries import compute_all
from ml.cluster_gcn.partition import PARTITIONERS, Partitioner
from orchestration.artifacts.tables import contract_violations
from tests.retail_files import PRODUCT_HEADER, TRANSACTION_HEADER, retail

DATABASE = duckdb.connect()

SPLIT = SplitOptions(seed=0, held_out_share=0.2)


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


def relation(rows: pl.DataFrame) -> duckdb.DuckDBPyRelation:
    return DATABASE.from_arrow(rows.to_arrow())


def pairs(transactions: pl.DataFrame, min_baskets: int = 1, max_basket_items: int = 10) -> pl.DataFrame:
    return co_purchases(relation(transactions), min_baskets, max_basket_items).pl().sort("product_a", "product_b")


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
    # Milk is in 3 of 4 baskets, bread in 3, both in 2: neither in none, each alone in one.
    g_squared = 2 * (2 * log(2 / (9 / 4)) + 2 * log(1 / (3 / 4)))
    assert made["significance"][0] == pytest.approx(-g_squared)
    assert made.schema["baskets"] == pl.Int64
    assert pairs(transactions, min_baskets=2)["product_a"].to_list() == ["bread"]


def test_a_pair_in_every_basket_has_the_highest_npmi() -> None:
    made = pairs(lines({"1": ["a", "b"], "2": ["a", "b"]}))
    assert made.select("lift", "npmi", "significance").row(0) == (1, 1, 0)


def test_oversized_baskets_are_excluded_and_counted() -> None:
    small = {"1": ["a", "b"], "2": ["a", "a"]}
    transactions = lines(small | {"3": ["a", "b", "c"]}, dropped={"4": ["d"]})
    assert pairs(transactions, max_basket_items=2).equals(pairs(lines(small)))
    assert without_pairs(relation(transactions), 2) == {
        "baskets_of_one_product": 1,
        "baskets_above_the_cap": 1,
        "repeated_lines": 1,
    }


BASKETS = st.dictionaries(st.sampled_from("12345"), st.lists(st.sampled_from("abcdef"), max_size=8), max_size=5)


@settings(max_examples=20, deadline=None)
@given(BASKETS, st.integers(1, 2))
def test_pairs_are_what_counting_gives(baskets: dict[str, list[str]], min_baskets: int) -> None:
    sets = [set(products) for products in baskets.values() if products]
    expected: dict[tuple[str, str], int] = {}
    for products in sets:
        for pair in combinations(sorted(products), 2):
            expected[pair] = expected.get(pair, 0) + 1
    made = pairs(lines(baskets), min_baskets)
    counted = dict(zip(made.select("product_a", "product_b").rows(), made["baskets"], strict=True))
    assert counted == {pair: count for pair, count in expected.items() if count >= min_baskets}
    assert made["npmi"].is_between(-1 - 1e-9, 1 + 1e-9).all()
    for a, b, significance in made.select("product_a", "product_b", "significance").rows():
        cells = np.array([[sum((a in s) == x and (b in s) == y for s in sets) for y in (1, 0)] for x in (1, 0)])
        by_chance = cells.sum(axis=1, keepdims=True) * cells.sum(axis=0) / len(sets)
        assert abs(significance) == pytest.approx(2 * special.rel_entr(cells, by_chance).sum(), abs=1e-9)


def strengths(*rows: tuple[str, str, float]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["product_a", "product_b", "npmi"], orient="row")
    return frame.with_columns(baskets=pl.lit(2, pl.Int64), lift=1 + pl.col("npmi"), significance=9 * pl.col("npmi"))


def kept(
    candidates: pl.DataFrame,
    neighbours: int,
    mutual: bool = True,
    measure: Measure = "npmi",
    min_baskets: int = 2,
) -> pl.DataFrame:
    return edges(relation(candidates), Construction(measure, neighbours, mutual, min_baskets))


def test_a_mutual_edge_needs_both_ends_and_any_edge_more_than_chance() -> None:
    candidates = strengths(("a", "b", 0.9), ("b", "c", 0.8), ("c", "d", 0.7), ("e", "f", -0.1))
    ends = {
        neighbours: ["".join(pair) for pair in kept(candidates, neighbours).select("product_a", "product_b").rows()]
        for neighbours in (1, 2)
    }
    assert ends == {1: ["ab"], 2: ["ab", "bc", "cd"]}
    assert kept(candidates, 1, mutual=False)["product_b"].to_list() == ["b", "c", "d"]
    assert len(kept(candidates, 0)) == 3
    assert len(kept(candidates, 0, measure="baskets")) == 4


def test_weights_order_like_the_measure() -> None:
    candidates = strengths(("a", "b", 0.25), ("c", "d", 0.5))
    weights = {
        measure: kept(candidates, 0, measure=measure)["weight"].to_list() for measure in ("lift", "significance")
    }
    assert weights == {"lift": pytest.approx([log(1.25), log(1.5)]), "significance": pytest.approx([1.5, 4.5**0.5])}


def test_ties_do_not_depend_on_the_order_of_rows() -> None:
    candidates = strengths(*[(a, b, 0.5) for a, b in combinations("abcdefgh", 2)])
    shuffled = [kept(candidates.sample(fraction=1, shuffle=True, seed=seed), 3) for seed in range(4)]
    assert all(made.equals(shuffled[0]) for made in shuffled) and len(shuffled[0])


def test_baskets_without_any_edge_are_refused_with_what_to_change() -> None:
    with pytest.raises(GraphError, match=r"mutual top-1 by npmi, 3 baskets: no pair .*HOWTO_MIN_BASKETS"):
        kept(strengths(("a", "b", 0.9)), 1, min_baskets=3)
    with pytest.raises(GraphError, match="no pair"):
        edges(co_purchases(relation(lines({"1": ["a"], "2": ["b"]})), 1, 10), Construction("npmi", 1, True, 1))


def catalogue(departments: dict[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "product_id": list(departments),
            "department": list(departments.values()),
            "brand": "National",
            "package_size": "12 OZ",
            "manufacturer_id": "7",
            "product_category": list(departments.values()),
            "product_type": list(departments.values()),
            "kept": True,
        },
        schema_overrides=dict.fromkeys(("department", "product_category", "product_type"), pl.String),
    )


def all_pairs(names: Iterable[str]) -> pl.DataFrame:
    return kept(strengths(*[(a, b, 0.5) for a, b in combinations(names, 2)]), 0)


def test_nodes_are_numbered_by_product_and_what_has_no_label_has_a_reason() -> None:
    names = [f"p{index}" for index in range(9)]
    departments = {name: "DAIRY" if index < 5 else "FUEL" for index, name in enumerate(names[:8])} | {"p7": None}
    made = all_pairs(names)
    nodes = graph_nodes(made, catalogue(departments), SPLIT)
    assert nodes["product_id"].to_list() == names and nodes["node_id"].to_list() == list(range(9))
    assert nodes["label"].to_list() == ["DAIRY"] * 5 + [None] * 4
    assert nodes["split"].to_list()[5:] == ["unlabelled"] * 4
    rare = "fewer than 5 products of its department"
    assert nodes["reason"].to_list() == [None] * 5 + [rare, rare, "no department", "not among the products"]
    assert (graph_edges(made, nodes)["node_a"] < graph_edges(made, nodes)["node_b"]).all()

    without_the_first = graph_nodes(made.filter(pl.col("product_a") != "p0"), catalogue(departments), SPLIT)
    departed = nodes.filter(pl.col("product_id") != "p0")
    assert without_the_first["product_id"].to_list() == departed["product_id"].to_list()
    assert without_the_first["split"].to_list()[4:] == departed["split"].to_list()[4:]


def bought(products: Iterable[str]) -> pl.DataFrame:
    rows = [(product, basket, basket + 1, 3.0) for basket, product in enumerate(products)]
    frame = pl.DataFrame(rows, schema=["product_id", "basket_id", "quantity", "sales_value"], orient="row")
    return frame.with_columns(household_id=pl.lit("h"), store_id=pl.lit("s"), purchased_on=date(2024, 1, 1), kept=True)


def test_features_describe_the_product_and_never_its_place_in_the_hierarchy() -> None:
    names = [f"p{index}" for index in range(6)]
    products = catalogue(dict.fromkeys(names, "DAIRY"))
    nodes = graph_nodes(all_pairs(names), products, SPLIT)
    lines_of_p0 = pl.DataFrame(
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
    made = node_features(nodes, products, lines_of_p0)
    first = dict(made.filter(pl.col("node_id") == 0).select("feature", "value").iter_rows())
    assert made.schema == {"node_id": pl.Int64, "feature": pl.String, "value": pl.Float64}
    assert first["package_size=12 OZ"] == first["package_unit=OZ"] == first["brand=National"] == 1
    assert first["log package amount"] == pytest.approx(log(13))
    assert first["log mean price"] == pytest.approx(log(1 + (3 / 1 + 2 / 2) / 2))
    assert first["log price a OZ"] == pytest.approx(log(1 + 2 / 12))
    assert first["mean discount"] == pytest.approx(1 - 2 / 3)
    assert first["log quantity"] == pytest.approx(log(4)) and first["log baskets"] == pytest.approx(log(3))
    assert first["weekday=1"] == first["weekday=2"] == 0.5 and "weekday=3" not in first
    assert not any("DAIRY" in name or "manufacturer" in name for name in made["feature"])
    assert "manufacturer_id=7" in set(node_features(nodes, products, lines_of_p0, manufacturer=True)["feature"])
    below = node_features(
        nodes, products.with_columns(product_category=pl.lit("MILK")), lines_of_p0, "product_category"
    )
    assert {name for name in below["feature"] if "DAIRY" in name or "MILK" in name} == {"department=DAIRY"}
    assert levels_above("department") == ()


def test_features_do_not_depend_on_the_order_of_rows() -> None:
    names = [f"p{index}" for index in range(6)]
    products = catalogue(dict.fromkeys(names, "DAIRY"))
    nodes = graph_nodes(all_pairs(names), products, SPLIT)
    generator = np.random.default_rng(0)
    lines = pl.DataFrame(
        {
            "basket_id": [f"{basket}" for basket in generator.integers(50, size=600)],
            "product_id": generator.choice(names, 600),
            "household_id": "h",
            "store_id": "s",
            "quantity": 1,
            # Next to each other, so that their deviation shows the last bits of their mean.
            "sales_value": 1e7 + generator.random(600) / 1000,
            "purchased_on": date(2024, 1, 1),
            "kept": True,
        }
    )
    made = node_features(nodes, products, lines)
    for seed in range(3):
        assert made.equals(node_features(nodes, products, lines.sample(fraction=1, shuffle=True, seed=seed)))


def test_a_feature_that_reveals_the_label_fails_its_check(lake: Lake) -> None:
    names = [f"p{index:03d}" for index in range(300)]
    departments = {name: ("DAIRY", "BAKERY", "DRUG")[index % 3] for index, name in enumerate(names)}
    plain = catalogue(departments)
    sizes = plain["department"].replace_strict({"DAIRY": "1 L", "BAKERY": "2 OZ", "DRUG": "3 CT"})
    verdicts = {}
    for name, products in {"plain": plain, "leaking": plain.with_columns(package_size=sizes)}.items():
        edges_of_all = pl.DataFrame({"product_a": names[:-1], "product_b": names[1:], "weight": 1.0})
        nodes = graph_nodes(edges_of_all, products, SPLIT)
        found = single_feature_baselines(nodes, node_features(nodes, products, bought(names)), products, "department")
        lake.write("graph_feature_leakage", found)
        verdicts[name] = contract_violations(lake, load_tables()["graph_feature_leakage"], None)
        sources = {row["source"]: row for row in found.iter_rows(named=True)}
        assert not sources["product_type"]["used"] and sources["product_type"]["accuracy"] == 1
        assert sources["product_type"]["mutual_information"] == pytest.approx(1)
        assert sources["brand"]["mutual_information"] == 0 and sources["brand"]["accuracy"] < 0.5
    assert not verdicts["plain"]
    assert sum(verdicts["leaking"].values()) == 3  # size, unit and amount


def ring(nodes: int) -> sparse.csr_array:
    numbers = pl.DataFrame({"node_a": range(nodes - 1), "node_b": range(1, nodes), "weight": 1.0})
    return adjacency(pl.DataFrame({"node_id": range(nodes)}), numbers)


def test_inductive_clusters_know_the_training_nodes_edges_alone() -> None:
    path = ring(40)
    seen = np.arange(20)
    clusters = clusters_of(path, 2, 0, seen)
    alone_clusters = clusters_of(path[seen][:, seen], 2, 0)
    assert np.array_equal(clusters[seen], alone_clusters) and edge_cut(path[seen][:, seen], alone_clusters) == 1 / 19
    assert clusters[20] == clusters[19]  # joined to a seen node
    assert set(clusters[21:]) == {0, 1}  # dealt out in turn


@pytest.mark.parametrize("partitioner", PARTITIONERS)
def test_a_seed_gives_the_same_clusters_and_as_many_as_the_partitioner_can_fill(partitioner: Partitioner) -> None:
    ring = sparse.csr_array(np.roll(np.eye(60), 1, axis=0) + np.roll(np.eye(60), -1, axis=0))
    first, second = (clusters_of(ring, 55, 1, partitioner=partitioner) for _ in range(2))
    assert np.array_equal(first, second) and cluster_count(first) == len(np.unique(first)) < 55


def test_nodes_without_edges_get_clusters_in_turn_and_too_many_clusters_are_refused() -> None:
    lonely = sparse.csr_array(sparse.block_diag([ring(10), sparse.csr_array((6, 6))]))
    assert np.bincount(clusters_of(lonely, 2, 0)[10:]).tolist() == [3, 3]
    for clusters, graph in ((11, lonely), (1, sparse.csr_array((1, 1))), (1, sparse.csr_array((3, 3)))):
        with pytest.raises(GraphError, match=r"need at least 2 such nodes.*HOWTO_GCN_CLUSTERS"):
            clusters_of(graph, clusters, 0)


def labelled(labels: list[str | None], split: SplitOptions) -> pl.DataFrame:
    """Nodes of a ring of products with these departments."""
    names = [f"p{index:02}" for index in range(len(labels))]
    departments = pl.Series(labels, dtype=pl.String)
    products = pl.DataFrame({"product_id": names, "department": departments, "kept": True})
    bought = pl.DataFrame({"product_a": names, "product_b": names[1:] + names[:1], "weight": 1.0})
    return graph_nodes(bought, products, split)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([None] * 12, "12 products of the graph: none has a label .no department: 12.; give the products file"),
        (["FUEL"] * 12, "all 12 labelled products have 'FUEL' .all have one."),
        (["FUEL"] * 9 + ["DAIRY"] * 3, "all 9 labelled products have 'FUEL' .fewer than 5 products.*: 3.; give"),
        (["FUEL"] * 5 + ["DAIRY"] * 5, "10 labelled products of the graph: none is in the split (validation|test)"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(labels: list[str | None], said: str) -> None:
    with pytest.raises(GraphError, match=said):
        require_labels(labelled(labels, SplitOptions(seed=0, held_out_share=0.01)), "department")
    require_labels(labelled(["FUEL", "DAIRY"] * 6, SplitOptions(seed=0, held_out_share=0.3)), "department")


def test_the_statistics_count_products_without_a_labelled_node(lake: Lake, tmp_path: Path) -> None:
    names = [f"p{index}" for index in range(7)]  # p6 is sold but not among the products
    rows = [f"b{basket},{name},h,s,1,1,2024-01-01" for basket in range(2) for name in names]
    odd = ["b0,p0,h,s,1,1,2024-01-01", "alone,p1,h,s,1,1,2024-01-01", "b9,p0,h,s,-1,1,2024-01-01"]
    described = [f"{name},1,{'DAIRY' if name < 'p5' else 'FUEL'},National,,,1 L" for name in names[:6]]
    source = retail(
        tmp_path,
        "\n".join([TRANSACTION_HEADER, *rows, *odd]),
        "\n".join([PRODUCT_HEADER, *described]),
    )
    for table, frame in {"retail_baskets": source.transactions(), "products": source.products()}.items():
        lake.write(table, frame.with_row_index("line").with_columns(source=pl.lit("test")))
    lake.write("co_purchases", co_purchases(lake.read("retail_baskets"), 2, 10))
    made = edges(lake.read("co_purchases"), Construction("baskets", 0, mutual=False, min_baskets=2))
    nodes = graph_nodes(made, lake.read("products").pl(), SPLIT)
    lake.write("graph_nodes", nodes)
    lake.write("graph_edges", graph_edges(made, nodes))
    lake.write("graph_clusters", nodes.select("node_id", cluster_id=pl.lit(0)))
    counts = {
        (statistic, item, measure): value
        for _, statistic, _, item, measure, value in compute_all(lake, "graph").iter_rows()
    }
    assert counts["lines", "quantity not above 0", "line_count"] == 1
    assert counts["baskets", "baskets", "of_one_product"] == counts["baskets", "baskets", "repeated_lines"] == 1
    assert counts["products", "sold, but not among the products", "products"] == 1
    assert counts["labels", "no label: not among the products", "nodes"] == 1
    assert counts["labels", "no label: fewer than 5 products of its department", "nodes"] == 1
    assert counts["labels", "DAIRY", "nodes"] == 5 and counts["labels", "DAIRY", "share"] == pytest.approx(5 / 7)

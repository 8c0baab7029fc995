"""The co-purchase graph itself: which pairs become edges, and what is known of each product.

Belongs here: edges, nodes with label and split, and features that do not name the label. Does not belong here: counting
pairs, or any learning.
"""

from __future__ import annotations

import polars as pl

from assets.splits import SplitOptions, split_of

MIN_LABEL_PRODUCTS = 5
"""A department with fewer products in the graph is no class: it could not be in every split."""

MIN_FEATURE_PRODUCTS = 5
"""A package size, unit or manufacturer of fewer products is no feature."""

_PACKAGE = r"(?i)^\D*(?<amount>\d*\.?\d+)\s*(?<unit>[a-z]+)"


def significant_edges(co_purchases: pl.DataFrame, neighbours: int = 20) -> pl.DataFrame:
    """Pairs that are among the ``neighbours`` strongest of both products by NPMI, and above chance.

    Raw counts would join everything to the staples that are in every basket. Ties go to the pair in more baskets, then
    to the neighbour whose id is first.

    Args:
        co_purchases: rows of ``co_purchases``.

    Returns:
        The same columns, by product_a and product_b.
    """
    above_chance = co_purchases.lazy().filter(pl.col("npmi") > 0)
    forwards = above_chance.rename({"product_a": "product", "product_b": "neighbour"})
    backwards = above_chance.rename({"product_b": "product", "product_a": "neighbour"})
    kept = (
        pl.concat([forwards, backwards], how="diagonal")
        .sort("npmi", "baskets", "neighbour", descending=[True, True, False])
        .group_by("product", maintain_order=True)
        .head(neighbours)
        .select(
            pl.min_horizontal("product", "neighbour").alias("product_a"),
            pl.max_horizontal("product", "neighbour").alias("product_b"),
        )
    )
    mutual = kept.group_by("product_a", "product_b").len().filter(pl.col("len") == 2).drop("len")
    return above_chance.join(mutual, on=["product_a", "product_b"], how="semi").sort("product_a", "product_b").collect()


def graph_nodes(edges: pl.DataFrame, products: pl.DataFrame, split: SplitOptions) -> pl.DataFrame:
    """Products with an edge, numbered in the order of their ids (columns of ``graph_nodes``).

    The label is the department. A product of unknown or rare department stays in the graph, with no label and the split
    ``unlabelled``.

    Args:
        edges: rows of ``significant_edges``; products: rows of ``products``.

    Returns:
        node_id BIGINT, product_id, label, split.
    """
    label = pl.col("department")
    return (
        pl.concat([edges["product_a"], edges["product_b"]])
        .unique()
        .sort()
        .alias("product_id")
        .to_frame()
        .join(_known(products, "department"), on="product_id", how="left", maintain_order="left")
        .select(
            pl.int_range(pl.len(), dtype=pl.Int64).alias("node_id"),
            "product_id",
            pl.when(pl.len().over(label) >= MIN_LABEL_PRODUCTS).then(label).alias("label"),
        )
        .with_columns(
            split=pl.when(pl.col("label").is_null())
            .then(pl.lit("unlabelled"))
            .otherwise(pl.col("product_id").map_elements(lambda product: split_of(product, split), pl.String))
        )
    )


def graph_edges(edges: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """The edges by node: node_a BIGINT < node_b BIGINT, weight DOUBLE (the pair's NPMI)."""
    number = nodes.select("product_id", "node_id")
    return (
        edges.join(number.rename({"product_id": "product_a", "node_id": "node_a"}), on="product_a")
        .join(number.rename({"product_id": "product_b", "node_id": "node_b"}), on="product_b")
        .select("node_a", "node_b", pl.col("npmi").alias("weight"))
        .sort("node_a", "node_b")
    )


def node_features(
    nodes: pl.DataFrame, products: pl.DataFrame, transactions: pl.DataFrame, manufacturer: bool = False
) -> pl.DataFrame:
    """What is known of each product without naming its department, in long form; an absent feature is 0.

    Package (size, unit, log amount), brand, and how the product is bought (price, quantities, households, stores,
    days). Category and type are left out because their words name the department. Everything is a statistic of the one
    product, so no node sees another's label.

    Args:
        transactions: rows of ``retail_baskets``; lines that are not kept do not count.
        manufacturer: add who made it, which is strong and sparse.

    Returns:
        node_id BIGINT, feature VARCHAR, value DOUBLE, by node and feature.
    """
    named = nodes.select("node_id", "product_id")
    columns = ["brand", "package_size", *(["manufacturer_id"] if manufacturer else [])]
    package = pl.col("package_size").str.extract_groups(_PACKAGE)
    described = named.join(_known(products, *columns), on="product_id", how="left").with_columns(
        package_unit=package.struct.field("unit").str.to_uppercase(),
        package_amount=package.struct.field("amount").cast(pl.Float64, strict=False),
    )
    bought = named.join(transactions.filter("kept"), on="product_id")
    rows = [
        *(_indicators(described, column) for column in (*columns, "package_unit")),
        _measures(described.select("node_id", pl.col("package_amount").log1p().alias("log package amount"))),
        _measures(_behaviour(bought)),
        _day_shares(bought, "weekday", pl.col("purchased_on").dt.weekday()),
        _day_shares(bought, "month", pl.col("purchased_on").dt.month()),
    ]
    return pl.concat(rows).sort("node_id", "feature")


def _known(products: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return products.filter("kept").select("product_id", *columns)


def _indicators(described: pl.DataFrame, column: str) -> pl.DataFrame:
    """1 for the value that a product has; values of few products are left out."""
    return (
        described.filter(pl.col(column).is_not_null() & (pl.len().over(column) >= MIN_FEATURE_PRODUCTS))
        .select("node_id", pl.format("{}={}", pl.lit(column), column).alias("feature"))
        .with_columns(value=pl.lit(1.0))
    )


def _measures(wide: pl.DataFrame) -> pl.DataFrame:
    return (
        wide.unpivot(index="node_id", variable_name="feature", value_name="value")
        .filter(pl.col("value").is_finite())
        .with_columns(pl.col("value").cast(pl.Float64))
    )


def _behaviour(bought: pl.DataFrame) -> pl.DataFrame:
    """How each product is bought; prices in the source's currency an item."""
    price = pl.col("sales_value") / pl.col("quantity")
    basket = bought.group_by("basket_id").agg(
        pl.len().alias("basket_lines"), pl.col("sales_value").sum().alias("basket_value")
    )
    baskets, households = pl.col("basket_id").n_unique(), pl.col("household_id").n_unique()
    return (
        bought.join(basket, on="basket_id")
        .group_by("node_id")
        .agg(
            price.mean().log1p().alias("log mean price"),
            price.max().log1p().alias("log highest price"),
            (1 - price.mean() / price.max()).alias("mean discount"),
            (price.std() / price.mean()).alias("price variation"),
            pl.col("quantity").sum().log1p().alias("log quantity"),
            pl.col("quantity").mean().log1p().alias("log quantity a line"),
            baskets.log1p().alias("log baskets"),
            households.log1p().alias("log households"),
            (baskets / households).log1p().alias("log baskets a household"),
            pl.col("store_id").n_unique().log1p().alias("log stores"),
            pl.col("basket_lines").mean().log1p().alias("log lines of its baskets"),
            pl.col("basket_value").mean().log1p().alias("log value of its baskets"),
        )
    )


def _day_shares(bought: pl.DataFrame, name: str, part: pl.Expr) -> pl.DataFrame:
    """Share of a product's lines that fall on each weekday (1 is Monday) or month."""
    return (
        bought.filter(pl.col("purchased_on").is_not_null())
        .group_by("node_id", part.alias("part"))
        .len()
        .select(
            "node_id",
            pl.format("{}={}", pl.lit(name), "part").alias("feature"),
            (pl.col("len") / pl.col("len").sum().over("node_id")).alias("value"),
        )
    )

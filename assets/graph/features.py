"""Features of each product, and how well each source of features predicts the label alone.

The leakage rule: a product's type and category nearly determine its department. Therefore only levels of the hierarchy
*above* the label may describe a product (``levels_above``); a department, the top level, has none. All other features
are statistics of one product, so that no node contains another's label. ``single_feature_baselines`` measures each
source alone, including the sources that the rule excludes.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import polars as pl

from assets.graph.options import Level

MIN_FEATURE_PRODUCTS = 5
"""Fewest products that share a package size, unit or manufacturer for it to be a feature."""

HIERARCHY: tuple[Level, ...] = get_args(Level)
"""Levels of the product hierarchy, from the top."""

CATEGORICAL = ("brand", "package_size", "package_unit", "manufacturer_id", *HIERARCHY)
"""Sources whose features are indicators of one value; every other feature is a number and a source by itself."""

_MANUFACTURER = "manufacturer_id"
_PACKAGE = r"(?i)^\D*(?<amount>\d*\.?\d+)\s*(?<unit>[a-z]+)"
_BINS = 20
_ABSENT = "absent"
_LINE = ("product_id", "basket_id", "household_id", "store_id", "quantity", "sales_value", "purchased_on")
"""Columns of a transaction line that features are computed from."""


def levels_above(label: Level) -> tuple[Level, ...]:
    """The levels of the hierarchy that may describe a product whose ``label`` is predicted."""
    return HIERARCHY[: HIERARCHY.index(label)]


def node_features(
    nodes: pl.DataFrame,
    products: pl.DataFrame,
    transactions: pl.DataFrame,
    label: Level = "department",
    manufacturer: bool = False,
) -> pl.DataFrame:
    """Features of each product that do not name its label, in long form; a missing feature is 0.

    Package (size, unit, log amount), brand, levels above the label, and purchase behaviour (price, price per unit of
    the package, quantities, households, stores, days).

    Args:
        transactions: rows of ``retail_baskets``; lines that are not kept do not count.
        manufacturer: add the manufacturer, a strong and sparse feature.

    Returns:
        node_id BIGINT, feature VARCHAR, value DOUBLE, sorted by node and feature.
    """
    named = nodes.select("node_id", "product_id")
    columns = ["brand", "package_size", *levels_above(label), *([_MANUFACTURER] if manufacturer else [])]
    package = pl.col("package_size").str.extract_groups(_PACKAGE)
    known = products.filter("kept").select("product_id", *columns)
    described = named.join(known, on="product_id", how="left").with_columns(
        package_unit=package.struct.field("unit").str.to_uppercase(),
        package_amount=package.struct.field("amount").cast(pl.Float64, strict=False),
    )
    # A fixed order: sums of prices, and even more their deviations, depend on it.
    lines = transactions.filter("kept").select(_LINE).sort(_LINE)
    bought = lines.join(named, on="product_id", maintain_order="left")
    behaviour = _behaviour(bought)
    rows = [
        *(_indicators(described, column) for column in (*columns, "package_unit")),
        _measures(described.select("node_id", pl.col("package_amount").log1p().alias("log package amount"))),
        _measures(behaviour),
        _unit_prices(described, behaviour),
        _day_shares(bought, "weekday", pl.col("purchased_on").dt.weekday()),
        _day_shares(bought, "month", pl.col("purchased_on").dt.month()),
    ]
    # The precision that a network uses. Digits beyond it depend on the order in which threads add.
    single = pl.col("value").cast(pl.Float32).cast(pl.Float64)
    return pl.concat(rows).with_columns(single).sort("node_id", "feature")


def _indicators(described: pl.DataFrame, column: str) -> pl.DataFrame:
    """1 for the value of each product; values that few products share are left out."""
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
    """Purchase behaviour of each product; prices per item in the currency of the source."""
    price = pl.col("sales_value") / pl.col("quantity")
    basket = bought.group_by("basket_id", maintain_order=True).agg(
        pl.len().alias("basket_lines"), pl.col("sales_value").sum().alias("basket_value")
    )
    baskets, households = pl.col("basket_id").n_unique(), pl.col("household_id").n_unique()
    return (
        bought.join(basket, on="basket_id", maintain_order="left")
        .group_by("node_id", maintain_order=True)
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


def _unit_prices(described: pl.DataFrame, behaviour: pl.DataFrame) -> pl.DataFrame:
    """Log of the price per OZ, LB and so on of the package, one feature per unit."""
    price = pl.col("log mean price").exp() - 1
    return (
        described.filter((pl.col("package_amount") > 0) & (pl.len().over("package_unit") >= MIN_FEATURE_PRODUCTS))
        .join(behaviour, on="node_id")
        .select(
            "node_id",
            pl.format("log price a {}", "package_unit").alias("feature"),
            (price / pl.col("package_amount")).log1p().alias("value"),
        )
        .filter(pl.col("value").is_finite())
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


def single_feature_baselines(
    nodes: pl.DataFrame, features: pl.DataFrame, products: pl.DataFrame, label: Level
) -> pl.DataFrame:
    """How well each source of features predicts the label alone (columns of ``graph_feature_leakage``).

    The prediction is the most frequent label of the training nodes with the same value, or the most frequent label of
    all if there are none. It is scored on the validation nodes. Numbers are cut into 20 quantiles.

    Args:
        nodes: rows of ``graph_nodes``.
        features: the nodes' rows of ``graph_node_features``.
        products: rows of ``products``.
    """
    labelled = nodes.filter(pl.col("label").is_not_null()).select("node_id", "product_id", "label", "split")
    used = features.with_columns(source=_source(pl.col("feature"))).partition_by("source", as_dict=True)
    rows = [(str(source), True, *_group_scores(labelled, _values(part))) for (source,), part in used.items()]
    left_out = [_MANUFACTURER, *HIERARCHY[HIERARCHY.index(label) + 1 :]]
    for column in (name for name in left_out if (name,) not in used):
        values = products.filter("kept").select("product_id", value=column).join(nodes, on="product_id")
        rows.append((column, False, *_group_scores(labelled, values.drop_nulls("value").select("node_id", "value"))))
    columns = ["source", "used", "distinct_values", "mutual_information", "accuracy", "majority_accuracy"]
    return pl.DataFrame(rows, schema=columns, orient="row").sort("accuracy", "source", descending=[True, False])


def _source(feature: pl.Expr) -> pl.Expr:
    column = feature.str.split_exact("=", 1).struct.field("field_0")
    return pl.when(column.is_in(CATEGORICAL)).then(column).otherwise(feature)


def _values(features: pl.DataFrame) -> pl.DataFrame:
    """One value of a source per node that has it: node_id, value VARCHAR."""
    if features["feature"].n_unique() > 1:
        return features.select("node_id", value="feature")
    rank = pl.col("value").rank("max") / pl.len()
    return features.select("node_id", (rank * _BINS).ceil().cast(pl.Int64).cast(pl.String).alias("value"))


def _group_scores(labelled: pl.DataFrame, values: pl.DataFrame) -> tuple[int, float, float | None, float | None]:
    """Number of values, I(value; label) / H(label), and the accuracy of the prediction by value and of the majority."""
    joined = labelled.join(values, on="node_id", how="left").with_columns(pl.col("value").fill_null(_ABSENT))
    joint = joined.group_by("value", "label").len()
    entropy = {key: _entropy(joint.group_by(key).agg(pl.col("len").sum())["len"]) for key in ("value", "label")}
    shared = entropy["value"] + entropy["label"] - _entropy(joint["len"])
    training, validation = (joined.filter(pl.col("split") == split) for split in ("train", "validation"))
    if training.is_empty() or validation.is_empty():
        return joined["value"].n_unique(), _share(shared, entropy["label"]), None, None
    commonest = _most_frequent(training)["label"][0]
    guess = _most_frequent(training, "value").rename({"label": "guess"})
    scored = validation.join(guess, on="value", how="left").with_columns(pl.col("guess").fill_null(commonest))
    return (
        joined["value"].n_unique(),
        _share(shared, entropy["label"]),
        _rate(scored["guess"] == scored["label"]),
        _rate(validation["label"] == commonest),
    )


def _rate(hits: pl.Series) -> float:
    return int(hits.sum()) / len(hits)


def _most_frequent(nodes: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """The most frequent label, overall or per combination of ``keys``; ties go to the first in the alphabet."""
    counts = nodes.group_by(*keys, "label").len().sort("len", "label", descending=[True, False])
    return counts.unique(subset=list(keys), keep="first", maintain_order=True).drop("len") if keys else counts.head(1)


def _entropy(counts: pl.Series) -> float:
    # Sorted, so that rounding does not depend on the order of the groups.
    shares = np.sort(counts.to_numpy()) / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _share(part: float, whole: float) -> float:
    """A share of the label's entropy; 1 if there is only one label, which has no entropy."""
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 1.0

"""The nodes of the co-purchase graph with number, label and split, and the edges by node number."""

from __future__ import annotations

import polars as pl

from assets.graph.edges import GraphError
from assets.graph.options import Level
from assets.splits import SplitOptions, split_of

MIN_LABEL_PRODUCTS = 5
"""Fewest products of a label for it to be a class; fewer could not be in every split."""


def graph_nodes(
    edges: pl.DataFrame, products: pl.DataFrame, split: SplitOptions, label: Level = "department"
) -> pl.DataFrame:
    """Products with an edge, numbered in the order of their ids (columns of ``graph_nodes``).

    A product whose label is unknown or rare stays in the graph, with the split ``unlabelled`` and the reason.

    Args:
        edges: rows that ``assets.graph.edges.edges`` returns.
        products: rows of ``products``.

    Returns:
        node_id BIGINT, product_id, label, split, reason.
    """
    level = pl.col(label)
    known = products.filter("kept").select("product_id", label, known=True)
    reason = (
        pl.when(pl.col("known").is_null())
        .then(pl.lit("not among the products"))
        .when(level.is_null())
        .then(pl.lit(f"no {label}"))
        .when(pl.len().over(level) < MIN_LABEL_PRODUCTS)
        .then(pl.lit(f"fewer than {MIN_LABEL_PRODUCTS} products of its {label}"))
    )
    return (
        pl.concat([edges["product_a"], edges["product_b"]])
        .unique()
        .sort()
        .alias("product_id")
        .to_frame()
        .join(known, on="product_id", how="left", maintain_order="left")
        .with_columns(reason=reason)
        .select(
            pl.int_range(pl.len(), dtype=pl.Int64).alias("node_id"),
            "product_id",
            pl.when(pl.col("reason").is_null()).then(level).alias("label"),
            pl.when(pl.col("reason").is_not_null())
            .then(pl.lit("unlabelled"))
            .otherwise(pl.col("product_id").map_elements(lambda product: split_of(product, split), pl.String))
            .alias("split"),
            "reason",
        )
    )


def require_labels(nodes: pl.DataFrame, label: Level) -> None:
    """Stop before training where no classifier can be learned or measured.

    Args:
        nodes: rows of ``graph_nodes``.

    Raises:
        GraphError: no product has a label, all have the same, or no labelled product is in a split.
    """
    labelled = nodes.filter(pl.col("label").is_not_null())
    why = nodes.drop_nulls("reason").group_by("reason").len().sort("len", "reason", descending=[True, False])
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in why.head(3).iter_rows()) or "all have one"
    remedy = f"give the products file a column {label} with at least 2 values of {MIN_LABEL_PRODUCTS} products each"
    classes = labelled["label"].unique().to_list()
    if len(classes) < 2:
        found = f"all {len(labelled):,} labelled products have {classes[0]!r}" if classes else "none has a label"
        raise GraphError(f"{len(nodes):,} products of the graph: {found} ({reasons}); {remedy}")
    for split in ("train", "validation", "test"):
        if labelled.filter(pl.col("split") == split).is_empty():
            raise GraphError(
                f"{len(labelled):,} labelled products of the graph: none is in the split {split} ({reasons});"
                " give more products, or change HOWTO_SEED or HOWTO_HELD_OUT_SHARE"
            )


def graph_edges(edges: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """The edges by node number: node_a BIGINT < node_b BIGINT, weight DOUBLE."""
    number = nodes.select("product_id", "node_id")
    return (
        edges.join(number.rename({"product_id": "product_a", "node_id": "node_a"}), on="product_a")
        .join(number.rename({"product_id": "product_b", "node_id": "node_b"}), on="product_b")
        .select("node_a", "node_b", "weight")
        .sort("node_a", "node_b")
    )

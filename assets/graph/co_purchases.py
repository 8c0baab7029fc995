"""Pairs of products that are bought together, counted in baskets (``sql/graph/co_purchases.sql``)."""

from __future__ import annotations

from string import Template

import duckdb

from sql import statement

SLICES = 16
"""Number of slices of the first products; pairs are counted one slice after the other.

The hash tables of a slice are small, which takes a third less time than one pass (measured on 17.8 M pair events).
DuckDB moves them to its temporary folder when they exceed the memory limit.
"""


def co_purchases(
    transactions: duckdb.DuckDBPyRelation, min_baskets: int, max_basket_items: int
) -> duckdb.DuckDBPyRelation:
    """Pairs that share at least ``min_baskets`` baskets, with product_a < product_b, in no defined order.

    Args:
        transactions: rows of ``retail_baskets`` (basket_id, product_id, kept); repeated lines of a product count once.
        max_basket_items: baskets with more distinct products are excluded from pairs and from shares.

    Returns:
        The columns of ``co_purchases``: product_a, product_b, baskets BIGINT, lift DOUBLE, npmi DOUBLE (Bouma 2009),
        significance DOUBLE (signed G², Dunning 1993).
    """
    # A relation takes no parameters; the limits are whole numbers, so writing them into the text is safe.
    limits = {"min_baskets": int(min_baskets), "max_basket_items": int(max_basket_items), "slices": SLICES}
    pairs = Template(statement("graph/pairs_of_slice"))
    union = " UNION ALL ".join(f"({pairs.substitute(limits, slice=number)})" for number in range(SLICES))
    return transactions.query(
        "transactions", Template(statement("graph/co_purchases")).substitute(limits, pairs=f"({union})")
    )


def without_pairs(transactions: duckdb.DuckDBPyRelation, max_basket_items: int) -> dict[str, int]:
    """Counts of kept lines and baskets that make no pair, by name.

    Returns:
        Baskets of one product; baskets above the cap, which are excluded; lines that repeat a product of their basket.
    """
    counts = transactions.query(
        "transactions", Template(statement("graph/without_pairs")).substitute(cap=int(max_basket_items))
    )
    return dict(zip(counts.columns, map(int, counts.fetchall()[0]), strict=True))

"""From baskets to pairs of products that are bought together (``sql/graph/co_purchases.sql``).

Belongs here: running that statement, and counting what makes no pair. Does not belong here: which pairs become edges.
"""

from __future__ import annotations

from string import Template

import duckdb

from sql import statement

SLICES = 16
"""The expansion counts the pairs of one slice of the first products after the other.

Its tables of counts then stay small: a third less time than in one piece, measured on 17.8 M pair events. Beyond the
memory limit DuckDB moves them to its temporary folder.
"""


def co_purchases(
    transactions: duckdb.DuckDBPyRelation, min_baskets: int, max_basket_items: int
) -> duckdb.DuckDBPyRelation:
    """Pairs that share at least ``min_baskets`` baskets; product_a < product_b, rows in no order.

    Args:
        transactions: rows of ``retail_baskets`` (basket_id, product_id, kept); several lines of a product are one.
        max_basket_items: baskets of more distinct products are left out, from the pairs and from the shares alike.

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
    """What the lines that count for the graph hold beside pairs, by name.

    Returns:
        Baskets of one product, which make no pair; baskets above the cap, which are left out altogether; lines that
        repeat a product of their basket, which count once.
    """
    counts = transactions.query(
        "transactions", Template(statement("graph/without_pairs")).substitute(cap=int(max_basket_items))
    )
    return dict(zip(counts.columns, map(int, counts.fetchall()[0]), strict=True))

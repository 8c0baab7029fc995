"""From baskets to pairs of products that are bought together (``sql/graph/co_purchases.sql``).

Belongs here: running that statement, and counting what it leaves out. Does not belong here: which pairs become edges.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

import duckdb

_PAIRS = Path(__file__).resolve().parents[2] / "sql" / "graph" / "co_purchases.sql"


def co_purchases(
    transactions: duckdb.DuckDBPyRelation, min_baskets: int, max_basket_items: int
) -> duckdb.DuckDBPyRelation:
    """Pairs that share at least ``min_baskets`` baskets; product_a < product_b, rows in no order.

    Args:
        transactions: rows of ``retail_baskets`` (basket_id, product_id, kept); several lines of a product are one.
        max_basket_items: baskets of more distinct products are left out, from the pairs and from the shares alike.

    Returns:
        The columns of ``co_purchases``: product_a, product_b, baskets BIGINT, lift DOUBLE, npmi DOUBLE (Bouma 2009).
    """
    # A relation takes no parameters; the limits are whole numbers, so writing them into the text is safe.
    statement = Template(_PAIRS.read_text(encoding="utf-8")).substitute(
        min_baskets=int(min_baskets), max_basket_items=int(max_basket_items)
    )
    return transactions.query("transactions", statement)


def oversized_baskets(transactions: duckdb.DuckDBPyRelation, max_basket_items: int) -> int:
    """How many baskets ``co_purchases`` leaves out because they hold more than ``max_basket_items`` products."""
    sizes = transactions.filter("kept").aggregate("basket_id, count(DISTINCT product_id) AS products", "basket_id")
    return int(sizes.filter(f"products > {int(max_basket_items)}").count("*").fetchall()[0][0])

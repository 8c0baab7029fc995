"""The edges of the co-purchase graph: the pairs of products that are kept, and their weights.

See ``sql/graph/edges.sql``.
"""

from __future__ import annotations

from string import Template

import duckdb
import polars as pl

from assets.graph.options import Construction
from sql import statement

WEIGHTS = {
    "baskets": ("baskets::DOUBLE", "TRUE"),
    "lift": ("ln(lift)", "lift > 1"),
    "npmi": ("npmi", "npmi > 0"),
    "significance": ("sqrt(significance)", "significance > 0"),
}
"""SQL of each measure: the weight of an edge, and the condition that the pair is above chance (none for raw counts).

The weight has the order of the measure without its long tail: PMI for lift, about a standard deviate for G².
"""

_ALL = 2**31 - 1


class GraphError(ValueError):
    """A graph cannot be made from the data; the message names what is missing and the remedy."""


def edges(co_purchases: duckdb.DuckDBPyRelation, construction: Construction) -> pl.DataFrame:
    """The pairs that the construction keeps.

    Args:
        co_purchases: rows of ``co_purchases``, counted with at most the construction's ``min_baskets``.

    Returns:
        product_a < product_b, weight DOUBLE > 0, sorted by product_a and product_b. Ties do not depend on row order.

    Raises:
        GraphError: no pair is kept.
    """
    weight, above_chance = WEIGHTS[construction.measure]
    query = Template(statement("graph/edges")).substitute(
        strength=weight,
        above_chance=above_chance,
        min_baskets=int(construction.min_baskets),
        neighbours=int(construction.neighbours) or _ALL,
        ends=2 if construction.mutual else 1,
    )
    kept = co_purchases.query("co_purchases", query).pl()
    if kept.is_empty():
        raise GraphError(
            f"{construction.name}: no pair of products becomes an edge; need products that share"
            f" {construction.min_baskets} baskets more often than chance:"
            " lower HOWTO_MIN_BASKETS, raise HOWTO_NEIGHBOURS or give more baskets"
        )
    return kept

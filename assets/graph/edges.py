"""Which pairs of products become edges (``sql/graph/edges.sql``).

Belongs here: choosing edges and weighing them. Does not belong here: counting pairs, or judging the choice.
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
"""Of each measure: the weight of an edge, and which pairs are above chance; raw counts know no chance.

The weight orders like the measure, without its long tail: PMI for lift, about a standard deviate for G².
"""

_ALL = 2**31 - 1


class GraphError(ValueError):
    """No graph can be made of what there is; the message names what is missing and the remedy."""


def edges(co_purchases: duckdb.DuckDBPyRelation, construction: Construction) -> pl.DataFrame:
    """The pairs that the construction keeps.

    Args:
        co_purchases: rows of ``co_purchases``, of at most the construction's fewest baskets.

    Returns:
        product_a < product_b, weight DOUBLE > 0, by product_a and product_b. Ties do not depend on the order of rows.

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

"""Options of the co-purchase graph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GraphOptions:
    """What counts as a co-purchase, which edges stay, and how the nodes are split and clustered."""

    min_baskets: int
    max_basket_items: int
    neighbours: int
    clusters: int
    seed: int

"""Options of the co-purchase graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Measure = Literal["baskets", "lift", "npmi", "significance"]
Level = Literal["department", "product_category", "product_type"]


@dataclass(frozen=True)
class Construction:
    """Which pairs of products become edges.

    Of its pairs in at least ``min_baskets`` baskets, a product keeps the ``neighbours`` strongest by the measure (0:
    all). ``mutual`` edges are those that both products keep, else one is enough.
    """

    measure: Measure
    neighbours: int
    mutual: bool
    min_baskets: int

    @property
    def name(self) -> str:
        """For tables and plots: ``mutual top-20 by npmi, 2 baskets``."""
        top = f"{'mutual ' if self.mutual else ''}top-{self.neighbours}" if self.neighbours else "all"
        return f"{top} by {self.measure}, {self.min_baskets} baskets"


@dataclass(frozen=True)
class GraphOptions:
    """What counts as a co-purchase, which pairs become edges, what is told of the nodes, and how they are clustered.

    ``label`` is the level of the product hierarchy to learn; ``manufacturer`` adds who made a product to the features;
    ``inductive`` clusters the training products' own graph, for a training that sees nothing else.
    """

    min_baskets: int
    max_basket_items: int
    neighbours: int
    clusters: int
    seed: int
    measure: Measure = "npmi"
    mutual: bool = True
    label: Level = "department"
    manufacturer: bool = False
    inductive: bool = False

    @property
    def construction(self) -> Construction:
        return Construction(self.measure, self.neighbours, self.mutual, self.min_baskets)


@dataclass(frozen=True)
class ClusterGCNOptions:
    """Size and schedule of the Cluster-GCN."""

    seed: int
    hidden_dim: int
    layers: int
    epochs: int
    clusters_per_batch: int
    diagonal_lambda: float
    neighbour_dropout: float

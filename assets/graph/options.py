"""Options of the co-purchase graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from assets.options import Options, Seed, Variable
from ml.cluster_gcn.partition import Partitioner

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
class CoPurchaseOptions(Options):
    """What a co-purchase is."""

    group: ClassVar = "Co-purchase graph"

    min_baskets: Annotated[int, Field(ge=1, description="baskets below which a pair of products is no co-purchase")] = 2
    max_basket_items: Annotated[
        int, Field(ge=2, description="products above which a basket is left out, because its pairs mean little")
    ] = 300


@dataclass(frozen=True)
class GraphOptions(CoPurchaseOptions):
    """Also which pairs become edges, what the features of a node are, and how nodes are clustered.

    ``label`` is the level of the product hierarchy to learn.
    """

    neighbours: Annotated[int, Field(ge=1, description="strongest edges that a product keeps")] = 20
    clusters: Annotated[int, Variable("gcn_clusters"), Field(ge=1, description="clusters of the graph")] = 50
    seed: Seed = 0
    measure: Annotated[
        Measure, Variable("edge_measure"), Field(description="measure by which pairs of products are compared")
    ] = "npmi"
    mutual: bool = True
    label: Level = "department"
    manufacturer: Annotated[bool, Field(description="use the manufacturer of a product as one of its features")] = False
    inductive: Annotated[
        bool, Variable("gcn_inductive"), Field(description="train without the held-out products and their edges")
    ] = False
    partitioner: Annotated[
        Partitioner,
        Variable("gcn_partitioner"),
        Field(description="program that clusters the graph; KaMinPar takes half the time and far less memory"),
    ] = "metis"

    @property
    def construction(self) -> Construction:
        """Which pairs become edges."""
        return Construction(self.measure, self.neighbours, self.mutual, self.min_baskets)


@dataclass(frozen=True)
class ClusterGCNOptions(Options):
    """Size and schedule of the Cluster-GCN."""

    group: ClassVar = "Cluster-GCN"
    prefix: ClassVar = "gcn_"

    seed: Seed = 0
    hidden_dim: Annotated[int, Field(ge=1, description="width of a Cluster-GCN layer")] = 128
    layers: Annotated[int, Field(ge=1, description="layers of the Cluster-GCN")] = 3
    epochs: Annotated[int, Field(ge=1, description="passes over the graph")] = 40
    clusters_per_batch: Annotated[int, Field(ge=1, description="clusters joined into one batch")] = 5
    diagonal_lambda: Annotated[
        float, Field(ge=0, description="additional weight of a node's own features, for deep networks")
    ] = 0
    neighbour_dropout: Annotated[
        float,
        Field(ge=0, lt=1, description="share of a product's neighbours that training hides at random"),
    ] = 0

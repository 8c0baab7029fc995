"""Assets of the co-purchase graph."""

from collections.abc import Iterator

import dagster as dg
import duckdb
import polars as pl

from assets.graph import nodes
from assets.graph.co_purchases import co_purchases as pairs
from assets.graph.co_purchases import oversized_baskets
from assets.graph.options import GraphOptions
from assets.splits import SplitOptions


@dg.asset(group_name="graph", code_version="1", kinds={"duckdb", "sql"})
def co_purchases(
    context: dg.AssetExecutionContext,
    retail_baskets: duckdb.DuckDBPyRelation,
    graph_options: dg.ResourceParam[GraphOptions],
) -> duckdb.DuckDBPyRelation:
    """Pairs of products that share baskets, with lift and normalised PMI; baskets above the cap do not count."""
    left_out = oversized_baskets(retail_baskets, graph_options.max_basket_items)
    context.add_output_metadata({"baskets_above_the_cap": left_out})
    return pairs(retail_baskets, graph_options.min_baskets, graph_options.max_basket_items)


@dg.multi_asset(
    outs={
        "graph_nodes": dg.AssetOut(
            description="Products with a significant edge, with their department as label and their split.",
            group_name="graph",
            code_version="1",
            kinds={"polars"},
        ),
        "graph_edges": dg.AssetOut(
            description="Pairs of products that are among each other's strongest by normalised PMI.",
            group_name="graph",
            code_version="1",
            kinds={"polars"},
        ),
    }
)
def co_purchase_graph(
    co_purchases: pl.DataFrame,
    products: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    split: dg.ResourceParam[SplitOptions],
) -> Iterator[dg.Output]:
    """Keep each product's strongest edges where both sides agree."""
    edges = nodes.significant_edges(co_purchases, graph_options.neighbours)
    numbered = nodes.graph_nodes(edges, products, split)
    yield dg.Output(numbered, "graph_nodes")
    yield dg.Output(nodes.graph_edges(edges, numbered), "graph_edges")


@dg.asset(group_name="graph", code_version="1", kinds={"polars"})
def graph_node_features(
    graph_nodes: pl.DataFrame, products: pl.DataFrame, retail_baskets: pl.DataFrame
) -> pl.DataFrame:
    """What is known of each product without naming its department: package, brand, price and how it is bought."""
    return nodes.node_features(graph_nodes, products, retail_baskets)


@dg.asset(group_name="graph", code_version="1", kinds={"metis"})
def graph_clusters(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
) -> pl.DataFrame:
    """METIS clusters: as many edges as possible stay within one."""
    from assets.graph.arrays import adjacency
    from ml.cluster_gcn.partition import partition

    clusters = partition(adjacency(graph_nodes, graph_edges), graph_options.clusters, graph_options.seed)
    cut = clusters[graph_edges["node_a"].to_numpy()] != clusters[graph_edges["node_b"].to_numpy()]
    context.add_output_metadata({"edge_cut": float(cut.mean())})
    return graph_nodes.select("node_id").with_columns(cluster_id=pl.Series(clusters, dtype=pl.Int64))

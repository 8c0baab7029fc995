"""Assets of the co-purchase graph."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl

from assets.graph import features, nodes
from assets.graph.arrays import graph_data
from assets.graph.co_purchases import co_purchases as pairs
from assets.graph.co_purchases import without_pairs
from assets.graph.edges import edges
from assets.graph.options import ClusterGCNOptions, CoPurchaseOptions, GraphOptions
from assets.lake import Lake
from assets.metadata import MODEL
from assets.models.assets import log_progress, model_inputs, trained_model
from assets.models.curves import curves
from assets.models.metrics import rounded
from assets.pictures import markdown
from assets.splits import SplitOptions


@dg.asset(code_version="2", kinds={"duckdb", "sql"})
def co_purchases(
    context: dg.AssetExecutionContext,
    retail_baskets: duckdb.DuckDBPyRelation,
    co_purchase_options: dg.ResourceParam[CoPurchaseOptions],
) -> duckdb.DuckDBPyRelation:
    """Pairs of products bought together, with lift, normalised PMI and significance; huge baskets do not count."""
    context.add_output_metadata(dict(without_pairs(retail_baskets, co_purchase_options.max_basket_items)))
    return pairs(retail_baskets, co_purchase_options.min_baskets, co_purchase_options.max_basket_items)


@dg.multi_asset(
    outs={
        "graph_nodes": dg.AssetOut(
            description="Products with at least one edge, with their label and split.",
            code_version="2",
            kinds={"polars"},
        ),
        "graph_edges": dg.AssetOut(
            description="Pairs of products that are among each other's strongest co-purchases, with their weight.",
            code_version="2",
            kinds={"duckdb", "sql"},
        ),
    }
)
def co_purchase_graph(
    co_purchases: duckdb.DuckDBPyRelation,
    products: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    split: dg.ResourceParam[SplitOptions],
) -> Iterator[dg.Output]:
    """Keep each product's strongest pairs as edges."""
    kept = edges(co_purchases, graph_options.construction)
    numbered = nodes.graph_nodes(kept, products, split, graph_options.label)
    metadata = {"construction": graph_options.construction.name}
    yield dg.Output(numbered, "graph_nodes", metadata=metadata)
    yield dg.Output(nodes.graph_edges(kept, numbered), "graph_edges", metadata=metadata)


@dg.asset(code_version="3", kinds={"polars"})
def graph_node_features(
    graph_nodes: pl.DataFrame,
    products: pl.DataFrame,
    retail_baskets: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
) -> pl.DataFrame:
    """Features of each product that do not name its label: package, brand, price and purchase behaviour."""
    return features.node_features(
        graph_nodes, products, retail_baskets, graph_options.label, graph_options.manufacturer
    )


@dg.asset(code_version="1", kinds={"polars"})
def graph_feature_leakage(
    graph_nodes: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    products: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
) -> pl.DataFrame:
    """Accuracy of each feature source alone in predicting the label; the schema check fails if one reveals it."""
    return features.single_feature_baselines(graph_nodes, graph_node_features, products, graph_options.label)


@dg.asset(code_version="2", kinds={"metis"})
def graph_clusters(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
) -> pl.DataFrame:
    """Clusters of METIS or KaMinPar, which keep most edges within; inductive mode clusters training products."""
    from assets.graph.arrays import adjacency
    from assets.graph.clusters import cluster_count, clusters_of, edge_cut

    matrix = adjacency(graph_nodes, graph_edges)
    seen = (graph_nodes["split"] == "train").arg_true().to_numpy() if graph_options.inductive else None
    requested, partitioner = graph_options.clusters, graph_options.partitioner
    clusters = clusters_of(matrix, requested, graph_options.seed, seen, partitioner)
    made = cluster_count(clusters)
    if made < requested:
        context.log.warning(f"{made} clusters instead of {requested}: {partitioner} cannot fill more on this graph")
    numbers = {"clusters": made, "clusters_requested": requested, "edge_cut": edge_cut(matrix, clusters)}
    context.add_output_metadata({"partitioner": partitioner, **rounded(numbers)})
    return graph_nodes.select("node_id").with_columns(cluster_id=pl.Series(clusters, dtype=pl.Int64))


@dg.asset(code_version="1", kinds={"pytorch"})
def graph_spectrum(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
) -> pl.DataFrame:
    """Spectrum of the co-purchase graph: the slowest modes of its largest component, and the density of all."""
    from assets.graph import spectrum
    from assets.graph.arrays import adjacency

    found = spectrum.graph_spectrum(adjacency(graph_nodes, graph_edges), seed=graph_options.seed)
    context.add_output_metadata(
        {
            "components": found.components,
            "nodes of the largest component": len(found.nodes),
            "modes": dg.MetadataValue.md(markdown(spectrum.modes_figure(found), "modes")),
            "spectral density": dg.MetadataValue.md(markdown(spectrum.density_figure(found), "spectral density")),
        }
    )
    return spectrum.spectrum_rows(found)


@dg.asset(code_version="3", kinds={"pytorch"}, pool="gpu", metadata={MODEL: "cluster_gcn"})
def cluster_gcn(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    graph_options: dg.ResourceParam[GraphOptions],
    gcn_options: dg.ResourceParam[ClusterGCNOptions],
    device: dg.ResourceParam[str],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """A Cluster-GCN that predicts the label of a product, from the epoch with the best validation score."""
    from assets.graph.product_classifier import train_cluster_gcn
    from ml.training import pick_device

    folder = model_root / "cluster_gcn"
    nodes.require_labels(graph_nodes, graph_options.label)
    graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
    provenance = model_inputs(context, lake)
    progress = log_progress(context, gcn_options.epochs)
    history, metrics = train_cluster_gcn(folder, graph, gcn_options, graph_options, provenance, device, progress)
    panels = [("loss", ["loss", "validation_loss"]), ("validation", ["validation_accuracy", "validation_macro_f1"])]
    more = {"curves": dg.MetadataValue.md(curves(history, panels))}
    return trained_model(model_root, "cluster_gcn", metrics, str(pick_device(device)), more)

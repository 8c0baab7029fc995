"""Assets that compare choices. They are made when somebody asks for them, not when their inputs change."""

import dagster as dg
import duckdb
import polars as pl

from assets.graph.arrays import feature_matrix, graph_data
from assets.graph.options import ClusterGCNOptions, Construction, GraphOptions
from assets.pictures import markdown
from assets.splits import SplitOptions
from ml.cluster_gcn.data import GraphData

SEEDS_COMPARED = 3


def _part(subject: str) -> dict[str, str]:
    return {"howto/table": "cluster_gcn_studies", "howto/part": subject}


@dg.asset(code_version="1", kinds={"pytorch", "metis"}, pool="gpu")
def graph_construction_study(
    context: dg.AssetExecutionContext,
    co_purchases: duckdb.DuckDBPyRelation,
    products: pl.DataFrame,
    retail_baskets: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    split: dg.ResourceParam[SplitOptions],
) -> pl.DataFrame:
    """Ways to make edges, compared on validation products: edge cut, homophily, and what two models make of each."""
    from assets.graph.studies.graph_construction import construction_study, constructions, constructions_figure

    study = construction_study(
        co_purchases,
        products,
        retail_baskets,
        constructions(graph_options.min_baskets),
        graph_options,
        split,
        seeds=(graph_options.seed,),
        progress=context.log.info,
    )
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(constructions_figure(study), "constructions"))})
    return study


@dg.asset(
    code_version="1",
    kinds={"pytorch", "metis"},
    pool="gpu",
    metadata=_part("partition"),
)
def partition_study(
    context: dg.AssetExecutionContext,
    co_purchases: duckdb.DuckDBPyRelation,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    gcn_options: dg.ResourceParam[ClusterGCNOptions],
    device: dg.ResourceParam[str],
) -> pl.DataFrame:
    """METIS against random clusters, one and more a batch, on the graph as it is and on one of raw counts."""
    from assets.graph.edges import edges
    from assets.graph.nodes import graph_edges as numbered
    from assets.graph.product_classifier import gcn_config
    from assets.graph.studies.cluster_gcn import compare, partition_trials
    from assets.models.study_plots import lines_figure

    raw = Construction("baskets", 0, False, graph_options.min_baskets)
    counted = numbered(edges(co_purchases, raw), graph_nodes)
    graphs = {
        graph_options.construction.name: graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters),
        raw.name: graph_data(graph_nodes, counted, graph_node_features, graph_clusters),
    }
    config = gcn_config(gcn_options, graph_options)
    seeds = range(graph_options.seed, graph_options.seed + SEEDS_COMPARED)
    trials = partition_trials(tuple(graphs), config, seeds)
    study = compare("partition", graphs, trials, device, context.log.info)
    figure = lines_figure(study, "clusters_per_batch", ("accuracy", "macro_f1"), ("construction", "method"))
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure, "partitions"))})
    return study


@dg.asset(code_version="2", kinds={"pytorch", "metis"}, pool="gpu", metadata=_part("depth"))
def depth_study(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    gcn_options: dg.ResourceParam[ClusterGCNOptions],
    device: dg.ResourceParam[str],
) -> pl.DataFrame:
    """Networks of 2 to 8 plain layers, with and without more weight on a node's own features (table 11)."""
    from assets.graph.product_classifier import gcn_config
    from assets.graph.studies.cluster_gcn import compare, depth_trials
    from assets.models.study_plots import lines_figure

    name = graph_options.construction.name
    graphs = {name: graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)}
    seeds = range(graph_options.seed, graph_options.seed + SEEDS_COMPARED)
    trials = depth_trials(name, gcn_config(gcn_options, graph_options), seeds, depths=range(2, 9))
    study = compare("depth", graphs, trials, device, context.log.info)
    figure = lines_figure(study, "layers", ("accuracy", "macro_f1", "loss"), ("propagation",))
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure, "depth"))})
    return study


@dg.asset(code_version="1", kinds={"pytorch", "metis"}, pool="gpu", metadata=_part("memory"))
def memory_study(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    gcn_options: dg.ResourceParam[ClusterGCNOptions],
    device: dg.ResourceParam[str],
) -> pl.DataFrame:
    """Memory and time of clusters, of the full batch and of neighbour sampling, by depth and width (table 5)."""
    from assets.graph.product_classifier import gcn_config
    from assets.graph.studies.cluster_gcn import compare, memory_trials
    from assets.models.study_plots import lines_figure

    name = graph_options.construction.name
    graphs = {name: graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)}
    config = gcn_config(gcn_options, graph_options)
    trials = memory_trials(name, config, depths=(2, 3, 4, 6), widths=(config.hidden_dim, 4 * config.hidden_dim))
    study = compare("memory", graphs, trials, device, context.log.info)
    figure = lines_figure(study, "layers", ("memory_mib", "epoch_seconds"), ("method", "hidden_dim"))
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure, "memory"))})
    return study


@dg.asset(code_version="1", kinds={"pytorch", "scikitlearn"}, pool="gpu")
def own_features_study(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    products: pl.DataFrame,
    retail_baskets: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    gcn_options: dg.ResourceParam[ClusterGCNOptions],
    device: dg.ResourceParam[str],
) -> pl.DataFrame:
    """Models that see edges beside models that do not, with and without the manufacturer among a product's features."""
    from assets.graph.features import node_features
    from assets.graph.product_classifier import gcn_config
    from assets.graph.studies.own_features import compare, figure

    def graph(manufacturer: bool) -> GraphData:
        features = node_features(graph_nodes, products, retail_baskets, graph_options.label, manufacturer)
        return graph_data(graph_nodes, graph_edges, features, graph_clusters)

    graphs = {"without the manufacturer": graph(False), "with the manufacturer": graph(True)}
    seeds = range(graph_options.seed, graph_options.seed + SEEDS_COMPARED)
    study = compare(graphs, gcn_config(gcn_options, graph_options), seeds, device, context.log.info)
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure(study), "models"))})
    return study


@dg.asset(code_version="1", kinds={"pytorch", "scikitlearn"})
def spectral_study(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
) -> pl.DataFrame:
    """Spectral clusters beside METIS, how smooth labels and features are, and how much of a GCN is a filter."""
    from assets.graph.studies import spectral

    graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
    names = feature_matrix(graph_nodes, graph_node_features)[1]
    kernels = spectral.low_pass_kernels()
    context.add_output_metadata(
        {"filters": dg.MetadataValue.md(markdown(spectral.responses_figure(kernels, 2.0), "filters"))}
    )
    return pl.concat(
        [
            spectral.cluster_comparison(graph.adjacency, graph.clusters, graph_options.seed),
            spectral.smoothness_comparison(graph, names, graph_options.seed),
            spectral.low_pass_study(graph, kernels),
        ]
    )

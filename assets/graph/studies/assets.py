"""Ablations and comparisons on the co-purchase graph. They are materialized on request, not by automation."""

from collections.abc import Mapping, Sequence
from typing import Literal

import dagster as dg
import duckdb
import polars as pl

from assets.graph.arrays import feature_matrix, graph_data
from assets.graph.options import ClusterGCNOptions, Construction, GraphOptions
from assets.metadata import part_of
from assets.pictures import markdown
from assets.splits import SplitOptions
from ml.cluster_gcn.data import GraphData

SEEDS_COMPARED = 3
STUDIES = "cluster_gcn_studies"
"""Table of which some studies here write a part each."""
Subject = Literal["partition", "depth", "memory"]
AXES: dict[Subject, tuple[str, Sequence[str], Sequence[str]]] = {
    "partition": ("clusters_per_batch", ("accuracy", "macro_f1"), ("construction", "method")),
    "depth": ("layers", ("accuracy", "macro_f1", "loss"), ("propagation",)),
    "memory": ("layers", ("memory_mib", "epoch_seconds"), ("method", "hidden_dim")),
}
"""The plot of each comparison of Cluster-GCNs: its x axis, one panel per value, and what distinguishes its lines."""


def _seeds(options: GraphOptions) -> range:
    return range(options.seed, options.seed + SEEDS_COMPARED)


def _compared(
    context: dg.AssetExecutionContext,
    subject: Subject,
    graphs: Mapping[str, GraphData],
    graph_options: GraphOptions,
    gcn_options: ClusterGCNOptions,
    device: str,
) -> pl.DataFrame:
    """Train the Cluster-GCNs of a comparison on ``graphs``, given by construction, and plot their scores."""
    from assets.graph.product_classifier import gcn_config
    from assets.graph.studies.cluster_gcn import compare, trials
    from assets.models.study_plots import lines_figure

    planned = trials(subject, tuple(graphs), gcn_config(gcn_options, graph_options), _seeds(graph_options))
    study = compare(subject, graphs, planned, device, context.log.info)
    plot = markdown(lines_figure(study, *AXES[subject]), subject)
    context.add_output_metadata({"plot": dg.MetadataValue.md(plot)})
    return study


@dg.asset(code_version="2", kinds={"pytorch", "metis"}, pool="gpu")
def graph_construction_study(
    context: dg.AssetExecutionContext,
    co_purchases: duckdb.DuckDBPyRelation,
    products: pl.DataFrame,
    retail_baskets: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    split: dg.ResourceParam[SplitOptions],
) -> pl.DataFrame:
    """Ablation: ways to make edges, compared by edge cut, homophily and the validation scores of two models."""
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


@dg.asset(code_version="2", kinds={"pytorch", "metis"}, pool="gpu", metadata=part_of(STUDIES, "partition"))
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
    """Ablation: METIS, KaMinPar and random clusters, by clusters per batch, on this graph and on one of raw counts."""
    from assets.graph.edges import edges
    from assets.graph.nodes import graph_edges as numbered

    raw = Construction("baskets", 0, False, graph_options.min_baskets)
    counted = numbered(edges(co_purchases, raw), graph_nodes)
    graphs = {
        graph_options.construction.name: graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters),
        raw.name: graph_data(graph_nodes, counted, graph_node_features, graph_clusters),
    }
    return _compared(context, "partition", graphs, graph_options, gcn_options, device)


def _one_graph_study(subject: Literal["depth", "memory"], code_version: str, description: str) -> dg.AssetsDefinition:
    """A comparison of Cluster-GCNs on the co-purchase graph alone."""

    @dg.asset(
        name=f"{subject}_study",
        description=description,
        code_version=code_version,
        kinds={"pytorch", "metis"},
        pool="gpu",
        metadata=part_of("cluster_gcn_studies", subject),
    )
    def study(
        context: dg.AssetExecutionContext,
        graph_nodes: pl.DataFrame,
        graph_edges: pl.DataFrame,
        graph_node_features: pl.DataFrame,
        graph_clusters: pl.DataFrame,
        graph_options: dg.ResourceParam[GraphOptions],
        gcn_options: dg.ResourceParam[ClusterGCNOptions],
        device: dg.ResourceParam[str],
    ) -> pl.DataFrame:
        graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
        graphs = {graph_options.construction.name: graph}
        return _compared(context, subject, graphs, graph_options, gcn_options, device)

    return study


depth_study = _one_graph_study(
    "depth", "3", "Ablation: 2 to 8 plain layers under each propagation matrix of the Cluster-GCN paper (table 11)."
)
memory_study = _one_graph_study(
    "memory", "2", "Memory and time of clusters, full batch and neighbour sampling, by depth and width (table 5)."
)


@dg.asset(code_version="3", kinds={"pytorch", "scikitlearn"}, pool="gpu")
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
    """Ablation: models with and without edges, with and without the manufacturer as a feature."""
    from assets.graph.features import node_features
    from assets.graph.product_classifier import gcn_config
    from assets.graph.studies.own_features import compare, figure

    def graph(manufacturer: bool) -> GraphData:
        features = node_features(graph_nodes, products, retail_baskets, graph_options.label, manufacturer)
        return graph_data(graph_nodes, graph_edges, features, graph_clusters)

    graphs = {"without the manufacturer": graph(False), "with the manufacturer": graph(True)}
    config = gcn_config(gcn_options, graph_options)
    study = compare(graphs, config, _seeds(graph_options), device, context.log.info)
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
    """Spectral clusters compared with METIS, smoothness of labels and features, low-pass filtered features."""
    from assets.graph.studies import spectral

    graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
    names = feature_matrix(graph_nodes, graph_node_features)[1]
    kernels = spectral.low_pass_kernels()
    context.add_output_metadata(
        {"filters": dg.MetadataValue.md(markdown(spectral.responses_figure(kernels, 2.0), "filters"))}
    )
    return pl.concat(
        [
            spectral.cluster_comparison(graph.adjacency, graph.clusters, graph_options.seed, graph_options.partitioner),
            spectral.smoothness_comparison(graph, names, graph_options.seed),
            spectral.low_pass_study(graph, kernels),
        ]
    )


@dg.asset(name="link_prediction_study", code_version="1", kinds={"pytorch"}, pool="gpu")
def link_prediction(
    context: dg.AssetExecutionContext,
    retail_baskets: pl.DataFrame,
    products: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    device: dg.ResourceParam[str],
) -> pl.DataFrame:
    """Products bought together next: hit rate and MRR of a graph embedding, popularity and item-item cosine."""
    from assets.graph.studies.link_prediction import figure, link_prediction_study
    from ml.link_prediction.model import LinkConfig

    seeds = _seeds(graph_options)
    study = link_prediction_study(
        retail_baskets, products, graph_options, seeds, LinkConfig(), device, context.log.info
    )
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure(study), "link prediction"))})
    return study

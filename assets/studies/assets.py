"""Assets that compare choices. They are made when somebody asks for them, not when their inputs change."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import dagster as dg
import duckdb
import polars as pl

from assets.evaluation.options import BenchmarkOptions
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from assets.graph.arrays import feature_matrix, graph_data
from assets.graph.options import Construction, GraphOptions
from assets.hero.options import HeroOptions
from assets.pictures import markdown
from assets.sources.protocol import VideoSource
from assets.splits import SplitOptions
from assets.training.options import ClusterGCNOptions, EmbeddingOptions
from ml.cluster_gcn.data import GraphData
from ml.joint_embedding.pair_store import PairStore

SEEDS_COMPARED = 3


def _part(subject: str) -> dict[str, str]:
    return {"howto/table": "cluster_gcn_studies", "howto/part": subject}


@dg.asset(group_name="studies", code_version="1", kinds={"pytorch", "metis"}, pool="gpu")
def graph_construction_study(
    context: dg.AssetExecutionContext,
    co_purchases: duckdb.DuckDBPyRelation,
    products: pl.DataFrame,
    retail_baskets: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
    split: dg.ResourceParam[SplitOptions],
) -> pl.DataFrame:
    """Ways to make edges, compared on validation products: edge cut, homophily, and what two models make of each."""
    from assets.studies.graph_construction import construction_study, constructions
    from assets.studies.plots import constructions_figure

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
    group_name="studies",
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
    from assets.studies.cluster_gcn import compare, partition_trials
    from assets.studies.plots import lines_figure
    from assets.training.product_classifier import gcn_config

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


@dg.asset(group_name="studies", code_version="2", kinds={"pytorch", "metis"}, pool="gpu", metadata=_part("depth"))
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
    from assets.studies.cluster_gcn import compare, depth_trials
    from assets.studies.plots import lines_figure
    from assets.training.product_classifier import gcn_config

    name = graph_options.construction.name
    graphs = {name: graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)}
    seeds = range(graph_options.seed, graph_options.seed + SEEDS_COMPARED)
    trials = depth_trials(name, gcn_config(gcn_options, graph_options), seeds, depths=range(2, 9))
    study = compare("depth", graphs, trials, device, context.log.info)
    figure = lines_figure(study, "layers", ("accuracy", "macro_f1", "loss"), ("propagation",))
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure, "depth"))})
    return study


@dg.asset(group_name="studies", code_version="1", kinds={"pytorch", "metis"}, pool="gpu", metadata=_part("memory"))
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
    from assets.studies.cluster_gcn import compare, memory_trials
    from assets.studies.plots import lines_figure
    from assets.training.product_classifier import gcn_config

    name = graph_options.construction.name
    graphs = {name: graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)}
    config = gcn_config(gcn_options, graph_options)
    trials = memory_trials(name, config, depths=(2, 3, 4, 6), widths=(config.hidden_dim, 4 * config.hidden_dim))
    study = compare("memory", graphs, trials, device, context.log.info)
    figure = lines_figure(study, "layers", ("memory_mib", "epoch_seconds"), ("method", "hidden_dim"))
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure, "memory"))})
    return study


@dg.asset(group_name="studies", code_version="1", kinds={"pytorch", "scikitlearn"}, pool="gpu")
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
    from assets.studies.own_features import compare, figure
    from assets.training.product_classifier import gcn_config

    def graph(manufacturer: bool) -> GraphData:
        features = node_features(graph_nodes, products, retail_baskets, graph_options.label, manufacturer)
        return graph_data(graph_nodes, graph_edges, features, graph_clusters)

    graphs = {"without the manufacturer": graph(False), "with the manufacturer": graph(True)}
    seeds = range(graph_options.seed, graph_options.seed + SEEDS_COMPARED)
    study = compare(graphs, gcn_config(gcn_options, graph_options), seeds, device, context.log.info)
    context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(figure(study), "models"))})
    return study


@dg.asset(group_name="studies", code_version="1", kinds={"pytorch", "scikitlearn"})
def spectral_study(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    graph_options: dg.ResourceParam[GraphOptions],
) -> pl.DataFrame:
    """Spectral clusters beside METIS, how smooth labels and features are, and how much of a GCN is a filter."""
    from assets.studies import spectral

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


def _embedding_study(
    subject: Literal["negatives", "positives", "scale", "labels", "transfer", "alignment"], description: str
) -> dg.AssetsDefinition:
    """A study of the joint embedding: it trains many, and measures each on the benchmarks."""

    @dg.asset(
        name=f"{subject}_study",
        description=description,
        group_name="studies",
        code_version="2",
        kinds={"pytorch"},
        pool="gpu",
        deps=["joint_embedding", "clip_pairs", "benchmark_videos"],
        metadata={"howto/table": "joint_embedding_studies", "howto/part": subject},
    )
    def study(
        context: dg.AssetExecutionContext,
        training_manifest: pl.DataFrame,
        videos: pl.DataFrame,
        clips: pl.DataFrame,
        feature_index: pl.DataFrame,
        features: dg.ResourceParam[FeatureStore],
        pairs: dg.ResourceParam[PairStore],
        source: dg.ResourceParam[VideoSource],
        feature_options: dg.ResourceParam[FeatureOptions],
        embedding_options: dg.ResourceParam[EmbeddingOptions],
        benchmark_options: dg.ResourceParam[BenchmarkOptions],
        device: dg.ResourceParam[str],
        model_root: dg.ResourceParam[Path],
    ) -> pl.DataFrame:
        from assets.evaluation.lake_benchmarks import LakeData, benchmark_root, fine_tuning
        from assets.studies.joint_embedding import Benchmarks, run_study, study_figure

        data = LakeData(training_manifest, videos, clips, feature_index, features, feature_options.streams)
        with TemporaryDirectory() as folder:
            root = benchmark_root(benchmark_options, source, data, Path(folder) / "benchmarks")
            if root is None:
                raise dg.Failure("No benchmark to measure on: set HOWTO_BENCHMARKS to the folder of their files.")
            rows = run_study(
                subject,
                data,
                Benchmarks.below(root, benchmark_options, training_manifest),
                pairs,
                model_root,
                embedding_options,
                fine_tuning(benchmark_options, embedding_options),
                device,
                context.log.info,
                Path(folder) / "pairs",
                range(embedding_options.seed, embedding_options.seed + SEEDS_COMPARED),
            )
        context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(study_figure(rows), subject))})
        return rows

    return study


negatives_study = _embedding_study("negatives", "Negatives of the same video: none, or a share of the loss (table 3).")
positives_study = _embedding_study(
    "positives", "Learning from the best-scoring pairs, or random ones (tables 8 and 9)."
)
scale_study = _embedding_study("scale", "Training on more and more of each task's search results (figure 3).")
labels_study = _embedding_study(
    "labels", "Fine-tuning on shares of a benchmark, beside learning from scratch (figure 4)."
)
transfer_study = _embedding_study("transfer", "Fine-tuning on each benchmark, measured on every other one.")
alignment_study = _embedding_study(
    "alignment", "Captions where they are seen by the embedding, beside where they are spoken."
)


def _hero_study(subject: Literal["tasks", "architecture", "corpus"], description: str) -> dg.AssetsDefinition:
    """A study of HERO on the synthetic world: it trains several, and measures moments found and questions answered."""

    @dg.asset(
        name=f"hero_{subject}_study",
        description=description,
        group_name="studies",
        code_version="2",
        kinds={"pytorch"},
        pool="gpu",
        metadata={"howto/table": "hero_studies", "howto/part": subject},
    )
    def study(
        context: dg.AssetExecutionContext,
        hero_options: dg.ResourceParam[HeroOptions],
        device: dg.ResourceParam[str],
    ) -> pl.DataFrame:
        from assets.studies.hero import Effort, compare

        return compare([subject], [hero_options.seed], Effort(), device, context.log.info)

    return study


hero_tasks_study = _hero_study("tasks", "HERO's pre-training tasks, one more at a time, beside no pre-training.")
hero_architecture_study = _hero_study("architecture", "HERO beside encoders without its hierarchy or its fusion.")
hero_corpus_study = _hero_study("corpus", "HERO pre-trained on TV-like videos, on how-to-like ones, and on both.")

"""Assets that train models. Each is trained again exactly when the content of its inputs or its options changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from assets.features.index import BackboneOptions
from assets.features.store import FeatureStore
from assets.graph.arrays import graph_data
from assets.lake import Lake
from assets.splits import SplitOptions
from assets.training.manifest import manifest
from assets.training.models import MODEL, model_version
from assets.training.options import ClusterGCNOptions, EmbeddingOptions
from assets.training.pairs import LakePairs
from assets.training.plots import curves


@dg.asset(group_name="training", code_version="1", kinds={"duckdb"})
def training_manifest(
    clips: duckdb.DuckDBPyRelation, feature_index: duckdb.DuckDBPyRelation, split: dg.ResourceParam[SplitOptions]
) -> pl.DataFrame:
    """Usable videos with their split and the versions of their clips and features: what a model is trained on."""
    return manifest(clips, feature_index, split)


@dg.asset(group_name="training", code_version="2", kinds={"gensim"}, metadata={MODEL: "word_vectors"})
def word_vectors(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    embedding_options: dg.ResourceParam[EmbeddingOptions],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """Word vectors learned from the text of all usable videos' captions."""
    from assets.training.embedding import train_words

    folder = model_root / "word_vectors"
    metrics = train_words(folder, lake, training_manifest, embedding_options, _provenance(context, lake))
    return _trained(folder, metrics)


@dg.asset(
    group_name="training",
    code_version="1",
    kinds={"pytorch"},
    pool="gpu",
    metadata={MODEL: "joint_embedding"},
    deps=[word_vectors],
)
def joint_embedding(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    features: dg.ResourceParam[FeatureStore],
    backbone_options: dg.ResourceParam[BackboneOptions],
    embedding_options: dg.ResourceParam[EmbeddingOptions],
    device: dg.ResourceParam[str],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """The joint text–video embedding (HowTo100M section 4), of the epoch that ranks validation clips best."""
    from assets.training.embedding import train_joint_embedding

    folder = model_root / "joint_embedding"
    pairs = LakePairs(lake, features, backbone_options.name, model_root / "word_vectors")
    history, metrics = train_joint_embedding(
        folder, pairs, training_manifest, embedding_options, _provenance(context, lake), device, _told(context)
    )
    panels = [("loss", ["loss"]), ("validation recall", ["validation_R@1", "validation_R@5", "validation_R@10"])]
    return _trained(folder, metrics, {"curves": dg.MetadataValue.md(curves(history, panels))})


@dg.asset(group_name="training", code_version="1", kinds={"pytorch"}, pool="gpu", metadata={MODEL: "cluster_gcn"})
def cluster_gcn(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    gcn_options: dg.ResourceParam[ClusterGCNOptions],
    device: dg.ResourceParam[str],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """A Cluster-GCN that tells a product's department, of the epoch that does best on validation products."""
    from assets.training.product_classifier import train_cluster_gcn

    folder = model_root / "cluster_gcn"
    graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
    history, metrics = train_cluster_gcn(folder, graph, gcn_options, _provenance(context, lake), device, _told(context))
    panels = [("loss", ["loss", "validation_loss"]), ("validation", ["validation_accuracy", "validation_macro_f1"])]
    return _trained(folder, metrics, {"curves": dg.MetadataValue.md(curves(history, panels))})


def _provenance(context: dg.AssetExecutionContext, lake: Lake) -> dict[str, Any]:
    """What a model was made from, for its ``inputs.json``."""
    code_version = context.assets_def.get_asset_spec(context.asset_key).code_version
    return {"lake_snapshot": lake.snapshot(), "code_version": code_version, "run_id": context.run.run_id}


def _told(context: dg.AssetExecutionContext) -> Callable[[dict[str, float]], None]:
    """Progress of a training in the log of its run."""
    return lambda entry: context.log.info(", ".join(f"{name} {value:.4g}" for name, value in entry.items()))


def _trained(folder: Path, metrics: dict[str, float], more: dict[str, Any] | None = None) -> dg.MaterializeResult:
    version = model_version(folder)
    assert version is not None
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={"path": dg.MetadataValue.path(str(folder)), **metrics, **(more or {})},
    )

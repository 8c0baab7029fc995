"""Assets that train models. Each is trained again exactly when the content of its inputs or its options changed."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from assets.features.options import FeatureOptions
from assets.features.store import ARRAY, FeatureStore
from assets.graph.arrays import graph_data
from assets.graph.options import GraphOptions
from assets.lake import Lake
from assets.splits import SplitOptions
from assets.training.manifest import manifest
from assets.training.models import MODEL, model_version
from assets.training.options import ClusterGCNOptions, EmbeddingOptions, PairOptions, RuntimeOptions, WordOptions
from assets.training.plots import curves
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore


@dg.multi_asset(
    outs={
        "clip_pairs": dg.AssetOut(
            dagster_type=dg.Nothing,
            description="Pair arrays of one shard: caption and clip vector of each pair, captions grown to 5 s.",
            group_name="training",
            code_version="2",
            kinds={"lance"},
            metadata={ARRAY: "pairs"},
        ),
        "pair_index": dg.AssetOut(
            description="Which rows of the pair arrays belong to which video, and what was left out, with its reason.",
            group_name="training",
            code_version="2",
            kinds={"polars"},
        ),
    },
    deps=["video_features"],
)
def shard_pairs(
    context: dg.AssetExecutionContext,
    clips: pl.DataFrame,
    feature_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    pairs: dg.ResourceParam[PairStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    pair_options: dg.ResourceParam[PairOptions],
) -> Iterator[dg.Output]:
    """Grow the captions of one shard's clips and pool the features of each clip to one vector."""
    from assets.training.alignment import pairs_by
    from assets.training.pairs import write_shard

    shard = context.partition_key
    index = write_shard(clips, feature_index, features, feature_options.streams, pairs, shard, pairs_by(pair_options))
    counts = {name: int(index[name].sum()) for name in ("pairs", "without_features", "without_words")}
    version = pairs.version_of(shard)
    assert version is not None
    metadata = {"dagster/partition_row_count": counts["pairs"], **counts}
    yield dg.Output(None, "clip_pairs", data_version=dg.DataVersion(version), metadata=metadata)
    yield dg.Output(index, "pair_index")


@dg.asset(group_name="training", code_version="1", kinds={"duckdb"})
def training_manifest(pair_index: duckdb.DuckDBPyRelation, split: dg.ResourceParam[SplitOptions]) -> pl.DataFrame:
    """Usable videos with their split and the version of their pairs: what a model is trained on."""
    return manifest(pair_index, split)


@dg.asset(group_name="training", code_version="2", kinds={"gensim"}, metadata={MODEL: "word_vectors"})
def word_vectors(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    embedding_options: dg.ResourceParam[EmbeddingOptions],
    word_options: dg.ResourceParam[WordOptions],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """Word vectors learned from the text of all usable videos' captions, or those of HOWTO_WORD_VECTORS."""
    from assets.training.embedding import train_words

    folder = model_root / "word_vectors"
    metrics = train_words(folder, lake, training_manifest, embedding_options, word_options, model_inputs(context, lake))
    return trained_model(folder, metrics)


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
    pairs: dg.ResourceParam[PairStore],
    embedding_options: dg.ResourceParam[EmbeddingOptions],
    runtime_options: dg.ResourceParam[RuntimeOptions],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """The joint text–video embedding (HowTo100M section 4), of the epoch that ranks validation clips best."""
    from assets.training.embedding import embedding_job
    from ml.training import read_model_folder

    folder = model_root / "joint_embedding"
    provenance = model_inputs(context, lake)
    words = model_root / "word_vectors"
    job = embedding_job(folder, words, pairs, training_manifest, embedding_options, runtime_options, provenance)
    if runtime_options.processes:
        job.write(folder.with_name(".joint_embedding.job.json"))
        torchrun(context, "joint_embedding", folder.with_name(".joint_embedding.job.json"), runtime_options.processes)
    else:
        job.run(told(context))
    made = read_model_folder(folder)
    panels = [("loss", ["loss"]), ("validation recall", ["validation_R@1", "validation_R@5", "validation_R@10"])]
    told_besides = {
        "curves": dg.MetadataValue.md(curves(made.history, panels)),
        "pairs_without_known_words": made.inputs["pairs_without_known_words"],
    }
    return trained_model(folder, made.metrics, told_besides)


@dg.asset(
    group_name="training",
    code_version="1",
    kinds={"pytorch", "lance"},
    metadata={ARRAY: "clip_embeddings"},
    deps=[joint_embedding, "clip_pairs"],
)
def clip_search_index(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    pairs: dg.ResourceParam[PairStore],
    clip_index: dg.ResourceParam[ClipIndex],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """Embeddings of all clips, to be searched by text; where they are many, with an index, whose recall is told."""
    from assets.training.clip_search import write_clip_index

    metrics = write_clip_index(clip_index, pairs, training_manifest, model_root)
    version = clip_index.version()
    assert version is not None
    path = dg.MetadataValue.path(str(clip_index.path))
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata={"path": path, **metrics})


@dg.asset(
    group_name="training", code_version="1", kinds={"pytorch"}, pool="gpu", deps=[joint_embedding, "video_features"]
)
def aligned_clips(
    context: dg.AssetExecutionContext,
    clips: pl.DataFrame,
    feature_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Where each caption of one shard is seen: its best-matching window near the time at which it is spoken."""
    from assets.training.alignment import align_shard

    folder, words, streams = model_root / "joint_embedding", model_root / "word_vectors", feature_options.streams
    rows, left_out = align_shard(clips, feature_index, features, streams, folder, words, context.partition_key)
    told = {"mean_score": rows["score"].mean(), "median_shift_s": rows["shift_s"].median()}
    context.add_output_metadata({**left_out, **{name: value for name, value in told.items() if value is not None}})
    return rows


@dg.asset(group_name="training", code_version="2", kinds={"pytorch"}, pool="gpu", metadata={MODEL: "cluster_gcn"})
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
    """A Cluster-GCN that tells a product's department, of the epoch that does best on validation products."""
    from assets.training.product_classifier import train_cluster_gcn

    folder = model_root / "cluster_gcn"
    graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
    provenance = model_inputs(context, lake)
    history, metrics = train_cluster_gcn(folder, graph, gcn_options, graph_options, provenance, device, told(context))
    panels = [("loss", ["loss", "validation_loss"]), ("validation", ["validation_accuracy", "validation_macro_f1"])]
    return trained_model(folder, metrics, {"curves": dg.MetadataValue.md(curves(history, panels))})


def model_inputs(context: dg.AssetExecutionContext, lake: Lake) -> dict[str, Any]:
    """What a model was made from, for its ``inputs.json``."""
    code_version = context.assets_def.get_asset_spec(context.asset_key).code_version
    return {"lake_snapshot": lake.snapshot(), "code_version": code_version, "run_id": context.run.run_id}


def told(context: dg.AssetExecutionContext) -> Callable[[dict[str, float]], None]:
    """Progress of a training in the log of its run."""
    return lambda entry: context.log.info(", ".join(f"{name} {value:.4g}" for name, value in entry.items()))


def torchrun(context: dg.AssetExecutionContext, model: str, job: Path, processes: int) -> None:
    """Run a model's training job (``assets.training.worker``) by torchrun, its progress in the run's log."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*launcher, "-m", "assets.training.worker", "--model", model, "--job", str(job)]
    dg.PipesSubprocessClient().run(context=context, command=command)


def trained_model(folder: Path, metrics: dict[str, float], more: dict[str, Any] | None = None) -> dg.MaterializeResult:
    """What an asset that wrote a model folder tells: its content's version, its inputs, its metrics, and more."""
    version = model_version(folder)
    assert version is not None
    inputs = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
    told = {"path": dg.MetadataValue.path(str(folder)), "inputs": dg.MetadataValue.json(inputs)}
    rounded = {name: float(f"{value:.4g}") for name, value in metrics.items()}
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata={**told, **rounded, **(more or {})})

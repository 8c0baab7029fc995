"""Assets that measure models on held-out data; each owns its part of the table ``evaluations``."""

from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import polars as pl

from assets.evaluation.options import BenchmarkOptions
from assets.evaluation.results import evaluation_rows
from assets.features.extract import Extraction
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from assets.graph.arrays import graph_data
from assets.lake import Lake
from assets.sources.protocol import VideoSource
from assets.sources.retail import RetailSource
from assets.training.assets import cluster_gcn, joint_embedding
from assets.training.options import EmbeddingOptions
from ml.joint_embedding.pair_store import PairStore

SPLIT = "test"


def _part(model: str) -> dict[str, str]:
    return {"howto/table": "evaluations", "howto/part": model}


@dg.asset(
    group_name="evaluation",
    code_version="1",
    kinds={"pytorch"},
    pool="gpu",
    deps=[joint_embedding],
    metadata=_part("joint_embedding"),
)
def joint_embedding_evaluation(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    pairs: dg.ResourceParam[PairStore],
    source: dg.ResourceParam[VideoSource],
    device: dg.ResourceParam[str],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Text-to-video retrieval among the clips of held-out videos: R@1, R@5, R@10, median rank, beside chance."""
    from assets.evaluation.retrieval import held_out_retrieval

    folder, words = model_root / "joint_embedding", model_root / "word_vectors"
    metrics = held_out_retrieval(folder, words, pairs, training_manifest, SPLIT, device)
    context.add_output_metadata(metrics["joint_embedding"])
    benchmark = f"held-out clips ({source.name})"
    return evaluation_rows("joint_embedding", benchmark, SPLIT, metrics, lake.snapshot())


@dg.asset(group_name="evaluation", code_version="1", kinds={"pytorch"}, pool="gpu")
def benchmark_videos(
    context: dg.AssetExecutionContext,
    benchmark_options: dg.ResourceParam[BenchmarkOptions],
    feature_options: dg.ResourceParam[FeatureOptions],
) -> pl.DataFrame:
    """Raw videos of the benchmarks, whose features are written in the published formats, and what became of each."""
    from assets.evaluation.raw_videos import make_files

    def told(outcome: Extraction) -> None:
        log = context.log.warning if outcome.status == "failed" else context.log.debug
        log(f"{outcome.video_id}, {outcome.stream}: {outcome.error or f'{outcome.rows} rows'}")

    rows = make_files(benchmark_options, feature_options, told)
    if not benchmark_options.raw:
        context.log.info("No raw videos are there: HOWTO_BENCHMARKS names no folder that holds videos/.")
    counts = {status: int((rows["status"] == status).sum()) for status in ("ok", "missing", "failed")}
    context.add_output_metadata({**counts, "clips_left_out": int(rows["left_out"].sum())})
    return rows


@dg.asset(
    group_name="evaluation",
    code_version="1",
    kinds={"pytorch"},
    pool="gpu",
    deps=[joint_embedding, benchmark_videos],
    metadata=_part("joint_embedding_benchmarks"),
)
def benchmark_evaluation(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    videos: pl.DataFrame,
    clips: duckdb.DuckDBPyRelation,
    feature_index: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    features: dg.ResourceParam[FeatureStore],
    source: dg.ResourceParam[VideoSource],
    feature_options: dg.ResourceParam[FeatureOptions],
    embedding_options: dg.ResourceParam[EmbeddingOptions],
    benchmark_options: dg.ResourceParam[BenchmarkOptions],
    device: dg.ResourceParam[str],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """YouCook2, MSR-VTT and LSMDC both ways: zero-shot, from scratch, fine-tuned; CrossTask's steps, zero-shot."""
    from assets.evaluation.lake_benchmarks import LakeData, benchmark_rows

    data = LakeData(training_manifest, videos, _lines(clips), feature_index, features, feature_options.streams)
    with TemporaryDirectory() as scratch:
        rows, left_out = benchmark_rows(
            benchmark_options, embedding_options, source, data, Path(scratch), model_root, device, lake.snapshot()
        )
    context.add_output_metadata({"left_out": left_out})
    if rows.is_empty():
        context.log.info("No benchmark is there: set HOWTO_BENCHMARKS to the folder of their files.")
    return rows


@dg.asset(
    group_name="studies",
    code_version="1",
    kinds={"pytorch"},
    deps=[joint_embedding, benchmark_videos],
    metadata=_part("crosstask_components"),
)
def weakly_supervised_evaluation(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    videos: pl.DataFrame,
    clips: duckdb.DuckDBPyRelation,
    feature_index: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    features: dg.ResourceParam[FeatureStore],
    source: dg.ResourceParam[VideoSource],
    feature_options: dg.ResourceParam[FeatureOptions],
    benchmark_options: dg.ResourceParam[BenchmarkOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """CrossTask's component model, learned from narration alone, beside the zero-shot embedding on the same splits."""
    from assets.evaluation.lake_benchmarks import LakeData, weakly_supervised_rows

    data = LakeData(training_manifest, videos, _lines(clips), feature_index, features, feature_options.streams)
    with TemporaryDirectory() as scratch:
        rows = weakly_supervised_rows(benchmark_options, source, data, Path(scratch), model_root, lake.snapshot())
    if rows.is_empty():
        context.log.info("CrossTask is not there: set HOWTO_BENCHMARKS to the folder that holds its folder crosstask.")
    return rows


@dg.asset(
    group_name="evaluation",
    code_version="1",
    kinds={"pytorch", "scikitlearn"},
    pool="gpu",
    deps=[cluster_gcn],
    metadata=_part("cluster_gcn"),
)
def cluster_gcn_evaluation(
    context: dg.AssetExecutionContext,
    graph_nodes: pl.DataFrame,
    graph_edges: pl.DataFrame,
    graph_node_features: pl.DataFrame,
    graph_clusters: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    retail: dg.ResourceParam[RetailSource],
    device: dg.ResourceParam[str],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Accuracy and macro-F1 on held-out products, beside models that see no edge."""
    from assets.evaluation.classification import held_out_classification

    graph = graph_data(graph_nodes, graph_edges, graph_node_features, graph_clusters)
    metrics = held_out_classification(model_root / "cluster_gcn", graph, SPLIT, device)
    context.add_output_metadata(metrics["cluster_gcn"])
    benchmark = f"held-out products ({retail.name})"
    return evaluation_rows("cluster_gcn", benchmark, SPLIT, metrics, lake.snapshot())


def _lines(clips: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    return clips.select("video_id", "start_s", "end_s", "caption_clean").pl()

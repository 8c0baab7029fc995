"""Assets that compare choices about the joint embedding. They are made on request, not when their inputs change."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import dagster as dg
import duckdb
import polars as pl

from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.options import EmbeddingOptions
from assets.lake import Lake
from assets.models.evaluations import evaluations_part
from assets.pictures import markdown
from assets.sources.protocol import VideoSource
from ml.joint_embedding.pair_store import PairStore

SEEDS_COMPARED = 3


def _embedding_study(
    subject: Literal["negatives", "positives", "scale", "labels", "transfer", "alignment"], description: str
) -> dg.AssetsDefinition:
    """A study of the joint embedding: it trains many, and measures each on the benchmarks."""

    @dg.asset(
        name=f"{subject}_study",
        description=description,
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
        from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, benchmark_root, fine_tuning
        from assets.joint_embedding.studies.comparisons import Benchmarks, run_study, study_figure

        reader = FeatureReader(feature_index, features, feature_options.streams)
        data = LakeData(training_manifest, videos, clips, reader)
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


@dg.asset(
    code_version="1",
    kinds={"pytorch"},
    deps=["joint_embedding", "benchmark_videos"],
    metadata=evaluations_part("crosstask_components"),
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
    from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, weakly_supervised_rows

    reader = FeatureReader(feature_index, features, feature_options.streams)
    data = LakeData(training_manifest, videos, _lines(clips), reader)
    with TemporaryDirectory() as scratch:
        rows = weakly_supervised_rows(benchmark_options, source, data, Path(scratch), model_root, lake.snapshot())
    if rows.is_empty():
        context.log.info("CrossTask is not there: set HOWTO_BENCHMARKS to the folder that holds its folder crosstask.")
    return rows


def _lines(clips: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    return clips.select("video_id", "start_s", "end_s", "caption_clean").pl()

"""Ablations of the joint embedding. They are materialized on request, not by automation."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import dagster as dg
import duckdb
import polars as pl

from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.options import BenchmarkOptions, SurveyOptions
from assets.joint_embedding.options import EmbeddingOptions, TextVideoOptions
from assets.lake import Lake, load_tables
from assets.metadata import part_of
from assets.models.evaluations import evaluations_part
from assets.models.options import RuntimeOptions
from assets.pictures import markdown
from assets.sources.protocol import VideoSource
from ml.joint_embedding.pair_store import PairStore

SEEDS_COMPARED = 3


def _embedding_study(
    subject: Literal["negatives", "positives", "scale", "labels", "transfer", "alignment"], description: str
) -> dg.AssetsDefinition:
    """An ablation: trains the joint embedding under each setting and evaluates each model on the benchmarks."""

    @dg.asset(
        name=f"{subject}_study",
        description=description,
        code_version="3",
        kinds={"pytorch"},
        pool="gpu",
        deps=["joint_embedding", "clip_pairs", "benchmark_videos", "text_video_evaluation"],
        metadata=part_of("joint_embedding_studies", subject),
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
        text_video_options: dg.ResourceParam[TextVideoOptions],
        lake: dg.ResourceParam[Lake],
        device: dg.ResourceParam[str],
        model_root: dg.ResourceParam[Path],
    ) -> pl.DataFrame:
        from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, benchmark_root, fine_tuning
        from assets.joint_embedding.studies.comparisons import Benchmarks, run_study, study_figure
        from assets.joint_embedding.studies.trials import text_video_rows

        reader = FeatureReader(feature_index, features, feature_options.streams)
        data = LakeData(training_manifest, videos, clips, reader)
        with TemporaryDirectory() as folder:
            root = benchmark_root(benchmark_options, source, data, Path(folder) / "benchmarks")
            if root is None:
                raise dg.Failure("No benchmark files: set HOWTO_BENCHMARKS to their folder.")
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
        if not text_video_options.own:
            rows = pl.concat([rows, text_video_rows(subject, lake.read("evaluations").pl())])
        context.add_output_metadata({"plot": dg.MetadataValue.md(markdown(study_figure(rows), subject))})
        return rows

    return study


negatives_study = _embedding_study("negatives", "Ablation: the loss share of negatives of the same video (table 3).")
positives_study = _embedding_study(
    "positives", "Ablation: training on the best-scoring pairs of a video, or on random pairs (tables 8 and 9)."
)
scale_study = _embedding_study("scale", "Scaling: training on more of the search results of each task (figure 3).")
labels_study = _embedding_study(
    "labels", "Fine-tuning on shares of a benchmark's training set, compared with training from scratch (figure 4)."
)
transfer_study = _embedding_study("transfer", "Fine-tuning on each benchmark, evaluated on every benchmark.")
alignment_study = _embedding_study(
    "alignment", "Ablation: pairs at the window that matches the caption best, compared with pairs at its spoken time."
)


@dg.asset(
    code_version="2",
    kinds={"pytorch"},
    pool="gpu",
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
    runtime_options: dg.ResourceParam[RuntimeOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """CrossTask's component model, trained on narration alone, and the zero-shot embedding on the same splits."""
    from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, caption_lines, weakly_supervised_rows

    reader = FeatureReader(feature_index, features, feature_options.streams)
    data = LakeData(training_manifest, videos, caption_lines(clips), reader)
    with TemporaryDirectory() as scratch:
        rows = weakly_supervised_rows(
            benchmark_options, source, data, Path(scratch), model_root, runtime_options.device, lake.snapshot()
        )
    if rows.is_empty():
        context.log.info("No CrossTask files: set HOWTO_BENCHMARKS to the folder that contains crosstask.")
    return rows


@dg.asset(
    code_version="1",
    kinds={"pytorch"},
    pool="gpu",
    deps=["joint_embedding", "benchmark_videos", "availability"],
    metadata=evaluations_part("available_benchmarks"),
)
def available_benchmark_evaluation(
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
    benchmark_surveys: dg.ResourceParam[SurveyOptions],
    runtime_options: dg.ResourceParam[RuntimeOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """The zero-shot joint embedding on those videos of the benchmarks that can still be watched, by the surveys."""
    from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, caption_lines
    from assets.joint_embedding.evaluation.still_available import available_rows, known_states

    reader = FeatureReader(feature_index, features, feature_options.streams)
    data = LakeData(training_manifest, videos, caption_lines(clips), reader)
    table = load_tables()["availability"]
    surveys = lake.read(table.name).pl() if lake.has(table.name) else table.frame([])
    states = known_states(surveys, benchmark_surveys.availability)
    with TemporaryDirectory() as scratch:
        rows, counts = available_rows(
            benchmark_options, source, data, states, Path(scratch), model_root, runtime_options.device, lake.snapshot()
        )
    for name, found in counts.items():
        context.log.info(f"{name}: {found.available:,} available, {found.gone:,} gone, {found.unknown:,} unknown")
    context.add_output_metadata({name: dg.MetadataValue.json(vars(found)) for name, found in counts.items()})
    return rows

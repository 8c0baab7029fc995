"""Evaluation of the joint embedding; each asset writes its own rows of the table ``evaluations``."""

from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import polars as pl

from assets.features.extract import Extraction
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.options import EmbeddingOptions, TextVideoOptions
from assets.lake import Lake, load_tables
from assets.models.evaluations import evaluation_rows, evaluations_part
from assets.models.metrics import rounded
from assets.sources.protocol import VideoSource
from assets.videos.chapters import used_chapters
from ml.joint_embedding.pair_store import PairStore

SPLIT = "test"


@dg.asset(
    code_version="1",
    kinds={"pytorch"},
    pool="gpu",
    deps=["joint_embedding"],
    metadata=evaluations_part("joint_embedding"),
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
    """Text-to-video retrieval among the clips of held-out videos: R@1, R@5, R@10, median rank, and chance."""
    from assets.joint_embedding.evaluation.retrieval import held_out_retrieval

    folder, words = model_root / "joint_embedding", model_root / "word_vectors"
    metrics = held_out_retrieval(folder, words, pairs, training_manifest, SPLIT, device)
    context.add_output_metadata(rounded(metrics["joint_embedding"]))
    benchmark = f"held-out clips ({source.name})"
    return evaluation_rows("joint_embedding", benchmark, SPLIT, metrics, lake.snapshot())


@dg.asset(code_version="1", kinds={"pytorch"}, pool="gpu")
def benchmark_videos(
    context: dg.AssetExecutionContext,
    benchmark_options: dg.ResourceParam[BenchmarkOptions],
    feature_options: dg.ResourceParam[FeatureOptions],
) -> pl.DataFrame:
    """Raw videos of the benchmarks, with the outcome of each; their features are written in the published formats."""
    from assets.joint_embedding.evaluation.raw_videos import make_files

    def log_outcome(outcome: Extraction) -> None:
        log = context.log.warning if outcome.status == "failed" else context.log.debug
        log(f"{outcome.video_id}, {outcome.stream}: {outcome.error or f'{outcome.rows} rows'}")

    rows = make_files(benchmark_options, feature_options, log_outcome)
    if not benchmark_options.raw:
        context.log.info("No raw videos: the folder HOWTO_BENCHMARKS has no subfolder videos.")
    counts = {status: int((rows["status"] == status).sum()) for status in ("ok", "missing", "failed")}
    context.add_output_metadata({**counts, "clips_left_out": int(rows["left_out"].sum())})
    return rows


@dg.asset(
    code_version="2",
    kinds={"pytorch"},
    pool="gpu",
    deps=["joint_embedding", "benchmark_videos"],
    metadata=evaluations_part("joint_embedding_benchmarks"),
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
    """Retrieval in both directions on YouCook2, MSR-VTT and LSMDC (zero-shot, trained from scratch, fine-tuned), and
    step recall on CrossTask (zero-shot).
    """
    from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, benchmark_rows, caption_lines

    reader = FeatureReader(feature_index, features, feature_options.streams)
    data = LakeData(training_manifest, videos, caption_lines(clips), reader)
    with TemporaryDirectory() as scratch:
        rows, left_out = benchmark_rows(
            benchmark_options, embedding_options, source, data, Path(scratch), model_root, device, lake.snapshot()
        )
    context.add_output_metadata({"left_out": left_out})
    if rows.is_empty():
        context.log.info("No benchmark files: set HOWTO_BENCHMARKS to their folder.")
    return rows


@dg.asset(
    code_version="1",
    kinds={"pytorch"},
    pool="gpu",
    deps=["clip_pairs"],
    metadata=evaluations_part("text_video"),
)
def text_video_evaluation(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    videos: pl.DataFrame,
    clips: duckdb.DuckDBPyRelation,
    text_video_index: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    features: dg.ResourceParam[FeatureStore],
    pairs: dg.ResourceParam[PairStore],
    source: dg.ResourceParam[VideoSource],
    feature_options: dg.ResourceParam[FeatureOptions],
    benchmark_options: dg.ResourceParam[BenchmarkOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
) -> pl.DataFrame:
    """Zero-shot retrieval and step recall of the model of HOWTO_TEXT_VIDEO_MODEL, whose identity is the method; no rows
    for the joint embedding, which has evaluations of its own.
    """
    if text_video_options.own:
        return load_tables()["evaluations"].frame([])
    from assets.joint_embedding.evaluation.lake_benchmarks import LakeData, caption_lines
    from assets.joint_embedding.evaluation.lake_text_video import text_video_rows
    from assets.joint_embedding.text_video import load_tower

    tower = load_tower(text_video_options, feature_options)
    assert tower is not None
    data = LakeData(
        training_manifest, videos, caption_lines(clips), FeatureReader(text_video_index, features, [tower.stream])
    )

    def log_left_out(name: str, reason: str | None) -> None:
        if reason is not None:
            context.log.warning(f"{name}: {reason}")

    with TemporaryDirectory() as scratch:
        rows = text_video_rows(
            benchmark_options, source, tower, data, pairs, Path(scratch), lake.snapshot(), log_left_out
        )
    context.add_output_metadata({"model": tower.identity})
    return rows


@dg.asset(
    code_version="1",
    kinds={"pytorch"},
    pool="gpu",
    deps=["joint_embedding", "chapters"],
    metadata=evaluations_part("chapters"),
)
def chapter_evaluation(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    feature_index: pl.DataFrame,
    text_video_index: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    features: dg.ResourceParam[FeatureStore],
    source: dg.ResourceParam[VideoSource],
    feature_options: dg.ResourceParam[FeatureOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """Localisation of the chapters of held-out videos by their titles: share of best windows that overlap the chapter,
    or start near it, and random windows. No rows where no held-out video has chapters.
    """
    from assets.joint_embedding.evaluation.chapters import PART, localised
    from assets.joint_embedding.text_video import lake_model

    own = lake_model(text_video_options, feature_options, features, text_video_index, model_root)
    reader = own.rows or FeatureReader(feature_index, features, feature_options.streams)
    tested = training_manifest.filter(pl.col("split") == SPLIT)["video_id"].to_list()
    metrics, left_out = localised(own.model, reader, used_chapters(lake, tested))
    context.add_output_metadata({"left out": left_out, "model": own.model.identity})
    return evaluation_rows(PART, f"chapters ({source.name})", SPLIT, metrics, lake.snapshot())

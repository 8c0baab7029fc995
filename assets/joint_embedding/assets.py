"""Assets of the joint embedding: pairs, word vectors, the model, the search index and aligned clips."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from assets.features.extract import readable_files
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.manifest import manifest
from assets.joint_embedding.options import EmbeddingOptions, PairOptions, TextVideoOptions, WordOptions
from assets.lake import Lake, load_tables
from assets.metadata import ARRAY, CLIP_EMBEDDINGS, MODEL, PAIRS
from assets.models.assets import model_inputs, run_job, trained_model
from assets.models.curves import curves
from assets.models.metrics import rounded
from assets.models.options import RuntimeOptions
from assets.splits import SplitOptions
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore


@dg.multi_asset(
    outs={
        "clip_pairs": dg.AssetOut(
            dagster_type=dg.Nothing,
            description="Training pairs of one shard: caption and clip vector; short captions are extended to 5 s.",
            code_version="2",
            kinds={"lance"},
            metadata={ARRAY: PAIRS},
        ),
        "pair_index": dg.AssetOut(
            description="The rows of the pair arrays that belong to each video, and the reason why a video has none.",
            code_version="2",
            kinds={"polars"},
        ),
    },
    deps=["video_features"],
)
def shard_pairs(
    context: dg.AssetExecutionContext,
    clips: pl.DataFrame,
    clip_quality: pl.LazyFrame,
    feature_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    pairs: dg.ResourceParam[PairStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    pair_options: dg.ResourceParam[PairOptions],
) -> Iterator[dg.Output]:
    """Extend the short captions of one shard's clips and pool the features of each clip to one vector."""
    from assets.joint_embedding.alignment import pairs_by
    from assets.joint_embedding.pairs import write_shard

    shard = context.partition_key
    reader = FeatureReader(feature_index, features, feature_options.streams)
    dropped = clip_quality.filter(~pl.col("kept")).select("video_id", "clip_index").collect()
    used = clips.join(dropped, on=["video_id", "clip_index"], how="anti", maintain_order="left")
    index = write_shard(used, reader, pairs, shard, pairs_by(pair_options, feature_options.device))
    counts = {name: int(index[name].sum()) for name in ("pairs", "without_features", "without_words")}
    version = pairs.version_of(shard)
    assert version is not None
    metadata: dict[str, Any] = {"dagster/partition_row_count": counts["pairs"], **counts}
    metadata |= {"dimension": reader.dim, "dtype": "float16", "clips below the limits": len(dropped)}
    yield dg.Output(None, "clip_pairs", data_version=dg.DataVersion(version), metadata=metadata)
    yield dg.Output(index, "pair_index")


@dg.asset(code_version="1", kinds={"duckdb"})
def training_manifest(pair_index: duckdb.DuckDBPyRelation, split: dg.ResourceParam[SplitOptions]) -> pl.DataFrame:
    """Videos that have training pairs, with their split and the content version of their pairs."""
    return manifest(pair_index, split)


@dg.asset(code_version="2", kinds={"gensim"}, metadata={MODEL: "word_vectors"})
def word_vectors(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    embedding_options: dg.ResourceParam[EmbeddingOptions],
    word_options: dg.ResourceParam[WordOptions],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """Word vectors learned from the captions of all usable videos, or read from the file HOWTO_WORD_VECTORS."""
    from assets.joint_embedding.training import train_words

    folder = model_root / "word_vectors"
    metrics = train_words(folder, lake, training_manifest, embedding_options, word_options, model_inputs(context, lake))
    return trained_model(model_root, "word_vectors", metrics, "cpu")


@dg.asset(
    code_version="3",
    kinds={"pytorch"},
    pool="gpu",
    metadata={MODEL: "joint_embedding"},
    deps=["word_vectors"],
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
    """The joint text-video embedding (HowTo100M section 4), from the epoch with the best validation recall."""
    from assets.joint_embedding.training import embedding_job
    from ml.training import pick_device

    folder, words = model_root / "joint_embedding", model_root / "word_vectors"
    provenance = model_inputs(context, lake)
    job = embedding_job(folder, words, pairs, training_manifest, embedding_options, runtime_options, provenance)
    stored = run_job(context, job, runtime_options.processes)
    panels = [("loss", ["loss"]), ("validation recall", ["validation_R@1", "validation_R@5", "validation_R@10"])]
    more = {
        "curves": dg.MetadataValue.md(curves(stored.history, panels)),
        "pairs_without_known_words": stored.inputs["pairs_without_known_words"],
    }
    device = str(pick_device(runtime_options.device))
    return trained_model(model_root, "joint_embedding", stored.metrics, device, more)


@dg.asset(code_version="1", kinds={"pytorch"}, pool="gpu")
def text_video_index(
    context: dg.AssetExecutionContext,
    video_files: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    media_root: dg.ResourceParam[Path],
    feature_options: dg.ResourceParam[FeatureOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
) -> pl.DataFrame:
    """Feature rows of one shard's videos by the model of HOWTO_TEXT_VIDEO_MODEL; none for the joint embedding, which
    reads those of ``video_features``.
    """
    if text_video_options.own:
        return load_tables()["text_video_index"].frame([])
    from assets.joint_embedding.text_video import load_tower, tower_index

    tower, files = load_tower(text_video_options, feature_options), readable_files(video_files, media_root)
    rows = tower_index(tower, files, features, context.partition_key, batch=feature_options.batch)
    context.add_output_metadata({"videos": len(files), "failed": int((rows["status"] == "failed").sum())})
    return rows


@dg.asset(
    code_version="1",
    kinds={"pytorch", "lance"},
    metadata={ARRAY: CLIP_EMBEDDINGS},
    deps=["joint_embedding", "clip_pairs"],
)
def clip_search_index(
    context: dg.AssetExecutionContext,
    training_manifest: pl.DataFrame,
    pairs: dg.ResourceParam[PairStore],
    text_video_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
    clip_index: dg.ResourceParam[ClipIndex],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """Embeddings of all clips for text search; large collections get an approximate index, whose recall is measured."""
    from assets.joint_embedding.clip_search import write_clip_index
    from assets.joint_embedding.text_video import lake_model

    own = lake_model(text_video_options, feature_options, features, text_video_index, model_root)
    metrics = write_clip_index(clip_index, pairs, training_manifest, own)
    version = clip_index.version()
    assert version is not None
    path = dg.MetadataValue.path(str(clip_index.path))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version), metadata={"model": own.model.identity, "path": path, **rounded(metrics)}
    )


@dg.asset(code_version="2", kinds={"pytorch"}, pool="gpu", deps=["joint_embedding", "video_features"])
def aligned_clips(
    context: dg.AssetExecutionContext,
    clips: pl.DataFrame,
    feature_index: pl.DataFrame,
    text_video_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    text_video_options: dg.ResourceParam[TextVideoOptions],
    model_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """The best-matching window of each caption of one shard, near the time at which it is spoken."""
    from assets.joint_embedding.alignment import align_shard, alignment_summary
    from assets.joint_embedding.text_video import lake_model

    own = lake_model(text_video_options, feature_options, features, text_video_index, model_root)
    reader = own.rows or FeatureReader(feature_index, features, feature_options.streams)
    rows, left_out = align_shard(clips, reader, own.model, context.partition_key)
    context.add_output_metadata({"model": own.model.identity, **left_out, **rounded(alignment_summary(rows))})
    return rows

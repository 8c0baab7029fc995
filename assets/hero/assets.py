"""Assets of HERO: clips with frames and subtitles, the vocabulary, pre-training, How2R and How2QA."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from assets.captions.shot_borders import ShotBorders
from assets.features.frames.options import LeakFilter
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.hero.options import HeroClipOptions, HeroOptions
from assets.lake import Lake
from assets.metadata import ARRAY, HERO_CLIPS, MODEL
from assets.models.assets import model_inputs, run_job, trained_model
from assets.models.curves import curves
from assets.models.metrics import rounded
from assets.models.options import RuntimeOptions
from assets.sources.protocol import VideoSource
from assets.splits import SplitOptions
from ml.hero.clip_store import ClipStore


@dg.multi_asset(
    outs={
        "hero_frames": dg.AssetOut(
            dagster_type=dg.Nothing,
            description="HERO's clips of one shard: frames and subtitles of each one-minute clip.",
            code_version="1",
            kinds={"lance"},
            metadata={ARRAY: HERO_CLIPS},
        ),
        "hero_clips": dg.AssetOut(
            description="Start, end and array row of each of HERO's clips, and the reason why a video has none.",
            code_version="1",
            kinds={"polars"},
        ),
    },
    deps=["video_features"],
)
def shard_hero_clips(
    context: dg.AssetExecutionContext,
    clips: pl.DataFrame,
    feature_index: pl.DataFrame,
    features: dg.ResourceParam[FeatureStore],
    hero_store: dg.ResourceParam[ClipStore],
    feature_options: dg.ResourceParam[FeatureOptions],
    hero_clip_options: dg.ResourceParam[HeroClipOptions],
    shot_borders: dg.ResourceParam[ShotBorders],
    lake: dg.ResourceParam[Lake],
) -> Iterator[dg.Output]:
    """Cut the videos of one shard into clips with one row of features every two seconds, and their captions."""
    from assets.hero.clips import write_shard

    shard = context.partition_key
    reader = FeatureReader(feature_index, features, feature_options.streams)
    borders = shot_borders.of_shard(lake, shard)
    index = write_shard(clips, reader, hero_store, shard, hero_clip_options, borders)
    kept = index.filter(pl.col("reason").is_null())
    counts = {"clips": len(kept), "frames": int(kept["frames"].sum()), "left_out": len(index) - len(kept)}
    version = hero_store.version_of(shard)
    assert version is not None
    metadata: dict[str, Any] = {"dagster/partition_row_count": counts["clips"], **counts}
    metadata |= {"dimension": reader.dim, "dtype": "float16", "seconds_per_frame": hero_clip_options.interval_s}
    yield dg.Output(None, "hero_frames", data_version=dg.DataVersion(version), metadata=metadata)
    yield dg.Output(index, "hero_clips")


@dg.asset(code_version="1", kinds={"duckdb"})
def hero_manifest(
    hero_clips: duckdb.DuckDBPyRelation,
    split: dg.ResourceParam[SplitOptions],
    leak_filter: dg.ResourceParam[LeakFilter],
    lake: dg.ResourceParam[Lake],
) -> pl.DataFrame:
    """HERO's training clips with their split and content version, without videos that show an evaluation video."""
    from assets.hero.clips import manifest

    return leak_filter.without_leaks(manifest(hero_clips, split), lake)


@dg.asset(code_version="1", kinds={"huggingface"}, metadata={MODEL: "hero_tokenizer"})
def hero_tokenizer(
    context: dg.AssetExecutionContext,
    hero_manifest: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    hero_options: dg.ResourceParam[HeroOptions],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """The byte-level BPE vocabulary: RoBERTa's from HOWTO_HERO_VOCABULARY, or one trained on the captions."""
    from assets.hero.pretraining import write_tokenizer

    folder = model_root / "hero_tokenizer"
    metrics = write_tokenizer(folder, lake, hero_manifest, hero_options, model_inputs(context, lake))
    return trained_model(model_root, "hero_tokenizer", metrics, "cpu")


@dg.asset(code_version="3", kinds={"pytorch"}, pool="gpu", metadata={MODEL: "hero"}, deps=["hero_tokenizer"])
def hero_pretraining(
    context: dg.AssetExecutionContext,
    hero_manifest: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    hero_store: dg.ResourceParam[ClipStore],
    hero_options: dg.ResourceParam[HeroOptions],
    runtime_options: dg.ResourceParam[RuntimeOptions],
    model_root: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    """HERO (arXiv 2005.00200), pre-trained by masked words and frames, frame order and subtitle matching."""
    from assets.hero.pretraining import pretraining_job
    from ml.training import pick_device

    folder, tokenizer = model_root / "hero", model_root / "hero_tokenizer"
    inputs = model_inputs(context, lake)
    job = pretraining_job(folder, tokenizer, hero_store, hero_manifest, hero_options, runtime_options, inputs)
    stored = run_job(context, job, runtime_options.processes)
    tasks = [name for name in stored.config["shares"] if any(name in entry for entry in stored.history)]
    panels = [(name, [name, f"validation_{name}"]) for name in tasks]
    more = {"curves": dg.MetadataValue.md(curves(stored.history, panels))}
    device = str(pick_device(runtime_options.device))
    return trained_model(model_root, "hero", stored.metrics, device, more)


@dg.asset(code_version="1", kinds={"polars"})
def how2_records(
    context: dg.AssetExecutionContext,
    hero_clips: pl.DataFrame,
    clips: pl.DataFrame,
    source: dg.ResourceParam[VideoSource],
    hero_options: dg.ResourceParam[HeroOptions],
    review_root: dg.ResourceParam[Path],
) -> pl.DataFrame:
    """How2R and How2QA for these videos: a sheet for annotators, and the release files made from the filled sheet."""
    from assets.hero.how2 import FILLED, SHEET, annotated, release, write_sheet

    segments = write_sheet(review_root / SHEET, hero_clips, clips)
    videos = sorted(set(hero_clips.filter(pl.col("frames") > 0)["video_id"]))
    written = annotated(source, videos, review_root / FILLED)
    records, measured = release(*written, review_root / "how2", hero_options.seed)
    paths = {"sheet": dg.MetadataValue.path(str(review_root / SHEET))}
    if records.is_empty():
        context.log.info(f"No annotations yet: fill in {review_root / SHEET} and save it there as {FILLED}.")
    else:
        paths["release"] = dg.MetadataValue.path(str(review_root / "how2"))
    context.add_output_metadata({"segments": segments, **rounded(measured), **paths})
    return records

"""Evaluation videos of benchmarks that the lake holds under other ids, found by their pictures.

These assets exist only where the folder of HOWTO_BENCHMARKS holds raw videos.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.features.assets import as_recorded
from assets.features.frames.measure import VERSION
from assets.features.frames.options import VisualDuplicateOptions
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.lake import Lake


@dg.multi_asset(
    outs={
        "benchmark_references": dg.AssetOut(
            description="Evaluation videos of the benchmarks, and why some cannot be compared with the lake's.",
            code_version=VERSION,
            kinds={"numpy"},
        ),
        "benchmark_frames": dg.AssetOut(
            description="Perceptual hashes of each second of the benchmarks' evaluation videos.",
            code_version=VERSION,
            kinds={"numpy"},
        ),
    },
)
def benchmark_pictures(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    benchmark_options: dg.ResourceParam[BenchmarkOptions],
    visual_duplicate_options: dg.ResourceParam[VisualDuplicateOptions],
) -> Iterator[dg.Output]:
    """Decode the raw evaluation videos of the benchmarks once; finished files are skipped."""
    from assets.joint_embedding.leaks.references import measure_references

    assert benchmark_options.root is not None
    known = as_recorded(context, lake, "benchmark_frames")
    references, frames = measure_references(benchmark_options.root, visual_duplicate_options, known, context.log.info)
    for video_id, reason in references.filter(status="failed").select("video_id", "reason").iter_rows():
        context.log.warning(f"{video_id}: {reason}")
    counts = dict(references["status"].value_counts().sort("status").iter_rows())
    yield dg.Output(references, "benchmark_references", metadata=counts)
    yield dg.Output(frames, "benchmark_frames")


@dg.asset(code_version="1", kinds={"numpy"})
def benchmark_leaks(
    candidate_videos: pl.LazyFrame,
    frame_statistics: pl.LazyFrame,
    benchmark_references: pl.DataFrame,
    benchmark_frames: pl.DataFrame,
    visual_duplicate_options: dg.ResourceParam[VisualDuplicateOptions],
) -> pl.DataFrame:
    """Videos that show what an evaluation video of a benchmark shows: copies under another id, mirrored or cropped."""
    from assets.joint_embedding.leaks.references import benchmark_leaks as leaks_of

    videos = candidate_videos.filter("kept").sort("video_id").select("video_id").collect()
    return leaks_of(videos, frame_statistics, benchmark_references, benchmark_frames, visual_duplicate_options)

"""Statistics of the data set and of the graph, and the quality probes."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.timeline import DecodeError
from assets.lake import Lake
from assets.media.stills import stills
from assets.metadata import part_of
from assets.pictures import markdown
from assets.splits import SplitOptions
from assets.statistics.probes import PROBES, Frames, contact_sheets, draw, shares, write_sheet
from assets.statistics.queries import compute_all


@dg.asset(
    code_version="6",
    kinds={"sql", "duckdb"},
    metadata=part_of("dataset_statistics", "videos"),
    deps=[
        "tasks",
        "candidate_videos",
        "caption_fetches",
        "videos",
        "clips",
        "chapters",
        "video_files",
        "feature_index",
        "shots",
        "clip_quality",
        "visual_duplicates",
    ],
)
def dataset_statistics(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> pl.DataFrame:
    """Results of all queries in sql/statistics/videos on the current lake, one row per number."""
    from assets.statistics import plots

    statistics = compute_all(lake, "videos")
    context.add_output_metadata(
        {
            "distributions": dg.MetadataValue.md(markdown(plots.bars(statistics, plots.VIDEO_PANELS), "distributions")),
            "filters": dg.MetadataValue.md(markdown(plots.bars(statistics, plots.FUNNEL_PANEL), "filters")),
        }
    )
    return statistics


@dg.asset(
    code_version="2",
    kinds={"sql", "duckdb"},
    metadata=part_of("dataset_statistics", "graph"),
    deps=["graph_nodes", "graph_edges", "graph_clusters"],
)
def graph_statistics(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> pl.DataFrame:
    """Results of all queries in sql/statistics/graph on the current lake, one row per number."""
    from assets.statistics import plots

    statistics = compute_all(lake, "graph")
    context.add_output_metadata(
        {"counts": dg.MetadataValue.md(markdown(plots.bars(statistics, plots.GRAPH_PANELS), "counts"))}
    )
    return statistics


@dg.asset(
    code_version="2",
    kinds={"polars"},
    deps=["clips", "videos", "candidate_videos", "video_duplicates", "visual_duplicates"],
)
def quality_probes(
    context: dg.AssetExecutionContext,
    video_files: pl.DataFrame,
    lake: dg.ResourceParam[Lake],
    media_root: dg.ResourceParam[Path],
    review_root: dg.ResourceParam[Path],
    split: dg.ResourceParam[SplitOptions],
) -> pl.DataFrame:
    """Random clips, videos and re-uploads on review sheets for people to label, and the shares of the labels so far."""
    frames = _frames(context, video_files, media_root)
    tables = []
    for probe in PROBES:
        drawn = draw(lake, probe, split.seed)
        sheet = review_root / f"{probe.name}.csv"
        waiting = write_sheet(sheet, probe, drawn)
        pages = contact_sheets(review_root, probe, drawn, frames)
        metadata = {f"{probe.name}: sheet": dg.MetadataValue.path(str(sheet)), f"{probe.name}: to label": waiting}
        context.add_output_metadata({**metadata, f"{probe.name}: contact sheets": len(pages)})
        tables.append(shares(sheet, probe))
    return pl.concat(tables)


def _frames(context: dg.AssetExecutionContext, video_files: pl.DataFrame, media_root: Path) -> Frames:
    """Reads frames of the readable files; other videos get grey tiles, and the log gives the reason."""
    paths = dict(video_files.filter(pl.col("status") == "ok").select("video_id", "uri").iter_rows())

    def frames(video_id: str, times_s: Sequence[float]) -> Sequence[NDArray[np.uint8] | None]:
        if video_id not in paths:
            return [None] * len(times_s)
        try:
            return stills(media_root / paths[video_id], times_s)
        except DecodeError as error:
            context.log.warning(str(error))
            return [None] * len(times_s)

    return frames

"""Pictures of the statistics. Belongs here: drawing rows of ``dataset_statistics``. Counting is SQL."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import polars as pl
from matplotlib.figure import Figure

LONGEST_LINE = 48
FEWEST_PLACES = 6
"""So that one bar does not fill its panel."""

Panel = tuple[str, str, str]
"""Title, statistic and the measure of it that is shown."""

VIDEO_PANELS: tuple[Panel, ...] = (
    ("clips by category", "categories", "clips"),
    ("videos by clips", "clips_per_video", "videos"),
    ("clips by length", "clip_seconds", "clips"),
    ("clips by words", "caption_words", "clips"),
    ("videos by best search rank", "rank_histogram", "videos"),
    ("videos by source of captions", "caption_sources", "videos"),
)
FUNNEL_PANEL: tuple[Panel, ...] = (("rows at each filter", "funnel", "row_count"),)
GRAPH_PANELS: tuple[Panel, ...] = (
    ("nodes by label", "labels", "nodes"),
    ("products", "products", "products"),
    ("lines of baskets", "lines", "line_count"),
)


def bars(statistics: pl.DataFrame, panels: Sequence[Panel], columns: int = 2) -> Figure:
    """One statistic a panel, an item a bar in the order of its query, with the number beside it.

    Args:
        statistics: rows of ``dataset_statistics`` of one subject. A panel without rows says so.
    """
    of = {panel: _rows(statistics, panel) for panel in panels}
    lines = -(-len(panels) // columns)
    most = max(1, *(len(rows) for rows in of.values()))
    figure = Figure(figsize=(5.2 * min(columns, len(panels)), lines * (0.9 + 0.2 * most)), dpi=80, layout="constrained")
    places = figure.subplots(lines, min(columns, len(panels)), squeeze=False).ravel()
    for axes, (panel, rows) in zip(places, of.items(), strict=False):
        axes.set_title(panel[0])
        if rows.is_empty():
            axes.text(0.5, 0.5, "nothing to count", ha="center", transform=axes.transAxes)
            axes.set_axis_off()
            continue
        labels = [fill(item, LONGEST_LINE) for item in rows["item"]]
        drawn = axes.barh(range(len(rows)), rows["value"])
        axes.bar_label(drawn, [f"{value:,.0f}" for value in rows["value"]], padding=2, fontsize="small")
        axes.set_yticks(range(len(rows)), labels, fontsize="small")
        axes.margins(x=0.15)
        axes.set_ylim(max(len(rows), FEWEST_PLACES) - 0.5, -0.5)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    return figure


def _rows(statistics: pl.DataFrame, panel: Panel) -> pl.DataFrame:
    _, statistic, measure = panel
    chosen = (pl.col("statistic") == statistic) & (pl.col("measure") == measure) & pl.col("value").is_not_null()
    return statistics.filter(chosen).sort("position")

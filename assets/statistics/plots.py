"""Plots of the rows of ``dataset_statistics``."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import polars as pl
from matplotlib.figure import Figure

LONGEST_LINE = 48
FEWEST_PLACES = 6
"""Bars that a panel has room for at least, so that a single bar is not oversized."""

Panel = tuple[str, str, str]
"""Title, statistic and the measure of the statistic that is plotted."""

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
    """One panel per statistic, with one labelled bar per item, in the order of the query.

    Args:
        statistics: rows of ``dataset_statistics`` of one subject. A panel without rows says so.
    """
    rows_by_panel = {panel: _rows(statistics, panel) for panel in panels}
    lines = -(-len(panels) // columns)
    most = max(1, *(len(rows) for rows in rows_by_panel.values()))
    figure = Figure(figsize=(5.2 * min(columns, len(panels)), lines * (0.9 + 0.2 * most)), dpi=80, layout="constrained")
    places = figure.subplots(lines, min(columns, len(panels)), squeeze=False).ravel()
    for axes, (panel, rows) in zip(places, rows_by_panel.items(), strict=False):
        axes.set_title(panel[0])
        if rows.is_empty():
            axes.text(0.5, 0.5, "no data", ha="center", transform=axes.transAxes)
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

"""Plots of ablations."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.figure import Figure

PANELS_PER_ROW = 4


def lines_figure(study: pl.DataFrame, x: str, values: Sequence[str], by: Sequence[str]) -> Figure:
    """One panel per column of ``values`` against ``x``, with one line per combination of differing columns ``by``.

    Lines show the mean over seeds, error bars the lowest and the highest seed.
    """
    differing = [column for column in by if study[column].n_unique() > 1]
    columns = min(len(values), PANELS_PER_ROW)
    rows_of_panels = -(-len(values) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.2 * rows_of_panels + 0.4), dpi=80, layout="constrained")
    by_line = list(differing or by[:1])
    colours = {key: f"C{number}" for number, key in enumerate(study.select(by_line).unique(maintain_order=True).rows())}
    panels = [figure.add_subplot(rows_of_panels, columns, place + 1) for place in range(len(values))]
    for axes, value in zip(panels, values, strict=True):
        measured = study.filter(pl.col(value).is_not_null())
        for key, rows in measured.group_by(by_line, maintain_order=True):
            mean = rows.group_by(x).agg(pl.col(value).mean(), low=pl.col(value).min(), high=pl.col(value).max()).sort(x)
            # The mean of equal numbers may differ from them by rounding.
            spread = [(mean[value] - mean["low"]).clip(0), (mean["high"] - mean[value]).clip(0)]
            label = ", ".join(map(str, key))
            axes.errorbar(mean[x], mean[value], spread, marker=".", capsize=2, color=colours[key], label=label)
        axes.set_title(value.replace("_", " "))
        axes.set_xlabel(x.replace("_", " "))
        axes.set_xticks(study[x].unique().sort())
        axes.grid(alpha=0.3)
    handles = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", fontsize="small", ncols=2)
    return figure

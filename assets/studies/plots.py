"""Pictures of the studies. Belongs here: drawing. Numbers come from those who made them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.figure import Figure

_CONSTRUCTIONS = {
    "accuracy": ("gcn_accuracy", "lr_accuracy"),
    "macro-F1": ("gcn_macro_f1", "lr_macro_f1"),
    "share": ("edge_cut", "homophily", "adjusted_homophily", "isolated_share"),
}


def constructions_figure(study: pl.DataFrame) -> Figure:
    """Rows of ``graph_construction_study`` as dots, a construction a line, seeds averaged."""
    shown = [column for columns in _CONSTRUCTIONS.values() for column in columns]
    mean = study.group_by("construction").agg(pl.col(shown).mean()).sort("gcn_accuracy")
    figure = Figure(figsize=(12, 1.2 + 0.3 * len(mean)), dpi=80, layout="constrained")
    panels = figure.subplots(1, len(_CONSTRUCTIONS), sharey=True)
    for axes, (title, columns) in zip(panels, _CONSTRUCTIONS.items(), strict=True):
        for column in columns:
            axes.plot(mean[column], mean["construction"], "o", label=column.replace("_", " "))
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure


def lines_figure(study: pl.DataFrame, x: str, values: Sequence[str], by: Sequence[str]) -> Figure:
    """A panel for each of ``values`` against ``x``: a line for each combination of ``by`` that differs, seeds averaged,
    with a bar from the lowest to the highest seed.
    """
    differing = [column for column in by if study[column].n_unique() > 1]
    figure = Figure(figsize=(4.6 * len(values), 3.6), dpi=80, layout="constrained")
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    for axes, value in zip(panels, values, strict=True):
        for key, rows in study.group_by(differing or list(by[:1]), maintain_order=True):
            mean = rows.group_by(x).agg(pl.col(value).mean(), low=pl.col(value).min(), high=pl.col(value).max()).sort(x)
            spread = [mean[value] - mean["low"], mean["high"] - mean[value]]
            axes.errorbar(mean[x], mean[value], yerr=spread, marker=".", capsize=2, label=", ".join(map(str, key)))
        axes.set_title(value.replace("_", " "))
        axes.set_xlabel(x.replace("_", " "))
        axes.set_xticks(study[x].unique().sort())
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", fontsize="small", ncols=2)
    return figure

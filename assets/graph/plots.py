"""Pictures of the graph for the metadata of assets. Belongs here: drawing. Numbers come from those who made them."""

from __future__ import annotations

import base64
import io

import polars as pl

_SHOWN = {
    "accuracy": ("gcn_accuracy", "lr_accuracy"),
    "macro-F1": ("gcn_macro_f1", "lr_macro_f1"),
    "share": ("edge_cut", "homophily", "adjusted_homophily", "isolated_share"),
}


def study_plot(study: pl.DataFrame) -> str:
    """Rows of ``graph_construction_study`` as dots, a construction a line, seeds averaged: a PNG inside Markdown."""
    from matplotlib.figure import Figure

    shown = [column for columns in _SHOWN.values() for column in columns]
    mean = study.group_by("construction").agg(pl.col(shown).mean()).sort("gcn_accuracy")
    figure = Figure(figsize=(12, 1.2 + 0.3 * len(mean)), dpi=80, layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(_SHOWN), sharey=True), _SHOWN.items(), strict=True):
        for column in columns:
            axes.plot(mean[column], mean["construction"], "o", label=column.replace("_", " "))
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return f"![constructions](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"

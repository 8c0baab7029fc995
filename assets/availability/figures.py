"""The share of videos that are left, by their age and category, as a figure."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure


def survival_figure(rows: pl.DataFrame) -> Figure:
    """Shares of the newest survey of ``link_rot`` with their intervals: by years since the upload, and by category."""
    newest = rows.filter(pl.col("survey") == pl.col("survey").max(), pl.col("share").is_not_null())
    ages = newest.filter(pl.col("grouping") == "age", pl.col("item") != "unknown")
    ages = ages.with_columns(years=pl.col("item").str.extract(r"^(\d+)").cast(pl.Int64)).sort("years")
    categories = newest.filter(pl.col("grouping") == "category").sort("share", "item")
    drawn = Figure(figsize=(12, 2.6 + 0.3 * len(categories)), dpi=80, layout="constrained")
    by_age, by_category = drawn.subplots(1, 2)
    by_age.errorbar(ages["years"], ages["share"], _reach(ages), marker="o", capsize=3)
    by_age.set(xlabel="years since the upload", ylabel="share that is available", ylim=(0, 1.02))
    by_category.errorbar(categories["share"], categories["item"], xerr=_reach(categories), fmt="o", capsize=3)
    by_category.set(xlabel="share that is available", xlim=(0, 1.02))
    for axes in (by_age, by_category):
        axes.grid(alpha=0.3)
    return drawn


def _reach(rows: pl.DataFrame) -> list[pl.Series]:
    """How far the interval reaches below and above the share."""
    return [rows["share"] - rows["share_low"], rows["share_high"] - rows["share"]]

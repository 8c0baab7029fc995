"""Running the queries of ``sql/statistics`` over the lake.

Belongs here: the way from any such query to rows of ``dataset_statistics``. The statistics themselves are SQL files.
"""

from __future__ import annotations

import polars as pl

from assets.lake import Lake
from sql import statement, statements


def compute(lake: Lake, subject: str, statistic: str) -> pl.DataFrame:
    """One query's result in long form: its first column names the item, each further column is a measure."""
    result = lake.sql(statement(f"statistics/{subject}/{statistic}")).pl()
    item, *measures = result.columns
    return (
        result.with_row_index("position")
        .select(
            pl.lit(subject).alias("subject"),
            pl.lit(statistic).alias("statistic"),
            pl.col("position").cast(pl.Int64),
            pl.col(item).cast(pl.String).alias("item"),
            *(pl.col(measure).cast(pl.Float64) for measure in measures),
        )
        .unpivot(measures, index=["subject", "statistic", "position", "item"], variable_name="measure")
        .with_columns(_told_apart(pl.col("value")))
    )


def _told_apart(value: pl.Expr) -> pl.Expr:
    """Whole numbers as they are, others to ten digits: beyond, it shows in which order threads added them up."""
    return pl.when(value == value.round()).then(value).otherwise(value.round_sig_figs(10)).alias("value")


def compute_all(lake: Lake, subject: str) -> pl.DataFrame:
    """Every statistic of a subject, in the files' order."""
    return pl.concat([compute(lake, subject, name) for name in statements(f"statistics/{subject}")])

"""Results of the queries in ``sql/statistics`` on the lake, as rows of ``dataset_statistics``."""

from __future__ import annotations

import polars as pl

from assets.lake import Lake
from sql import statement, statements


def compute(lake: Lake, subject: str, statistic: str) -> pl.DataFrame:
    """The result of one query in long form; its first column names the item, each other column is a measure."""
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
        .with_columns(_round_to_reproducible(pl.col("value")))
    )


def _round_to_reproducible(value: pl.Expr) -> pl.Expr:
    """Whole numbers unchanged, others to ten digits; further digits depend on the order in which threads add."""
    return pl.when(value == value.round()).then(value).otherwise(value.round_sig_figs(10)).alias("value")


def compute_all(lake: Lake, subject: str) -> pl.DataFrame:
    """All statistics of a subject, in the order of their files."""
    return pl.concat([compute(lake, subject, name) for name in statements(f"statistics/{subject}")])

"""Rows of the table ``evaluations``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from assets.lake import load_tables
from assets.metadata import part_of


def evaluation_rows(
    model: str, benchmark: str, split: str, by_method: Mapping[str, Mapping[str, float]], snapshot: int
) -> pl.DataFrame:
    """One row per method and metric; the metric ``queries`` becomes the column of that name."""
    now = datetime.now(UTC)
    return load_tables()["evaluations"].frame(
        (model, benchmark, split, method, metric, value, int(metrics["queries"]), snapshot, now)
        for method, metrics in by_method.items()
        for metric, value in metrics.items()
        if metric != "queries"
    )


def evaluations_part(model: str) -> dict[str, str]:
    """Metadata of an asset that writes the rows of ``model`` in the table ``evaluations``."""
    return part_of("evaluations", model)

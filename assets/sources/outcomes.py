"""What follows from recorded outcomes, for any table that has them: stopping, and asking again.

Belongs here: questions to frames with the columns ``status``, ``next_try_at`` and ``error``.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from assets.sources.protocol import SourceError


def stop_if_blocked(outcomes: pl.DataFrame) -> None:
    """Call it when the rows are kept: a source that refuses all requests must stop the run, not fail silently.

    Raises:
        SourceError: rows are blocked; the message says how many, until when, why, and what to do.
    """
    refused = outcomes.filter(pl.col("status") == "blocked")
    if refused.is_empty():
        return
    until = refused.select(pl.col("next_try_at").max().dt.convert_time_zone("UTC").dt.strftime("%F %R")).item()
    said = f"{refused.height} of {outcomes.height} not fetched, asked again from {until} UTC"
    raise SourceError(f"{said}: {refused['error'][0]}")


def due(outcomes: pl.LazyFrame, now: datetime) -> pl.LazyFrame:
    """The rows that a run would ask for again now."""
    next_try_at = pl.col("next_try_at").dt.convert_time_zone("UTC")
    is_due = next_try_at.is_null() | (next_try_at <= now.astimezone(UTC))
    return outcomes.filter(pl.col("status").is_in(["blocked", "retry"]) & is_due)

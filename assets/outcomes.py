"""Outcomes of requests to a source: their states, and when a run stops or repeats them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import polars as pl

from assets.redaction import redact

Status = Literal["ok", "no_captions", "disabled", "unavailable", "age_restricted", "failed", "blocked", "retry"]
"""The outcome of requesting one thing.

Final: ``ok``; ``no_captions`` (none in English, and none that can be translated); ``disabled`` (no captions at all);
``unavailable`` (removed, private, or refused to everyone here); ``age_restricted`` (needs a login); ``failed`` (what is
there cannot be read). Not final: ``blocked`` (the source refuses all requests for now) and ``retry`` (anything else
that went wrong).
"""


class SourceError(Exception):
    """The source cannot give what was requested; the message names the thing and the reason, and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


@dataclass(frozen=True)
class Outcome:
    """The outcome of requesting one thing, over all runs. ``fetched_at`` is None for an answer of just now."""

    status: Status
    error: str | None = field(default=None, kw_only=True)
    attempts: int = field(default=1, kw_only=True)
    fetched_at: datetime | None = field(default=None, kw_only=True)
    next_try_at: datetime | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.error is not None:  # an error of a connection may name the address of a proxy with its password
            object.__setattr__(self, "error", redact(self.error))


class FetchError(SourceError):
    """There is no answer, and this is its outcome; ``wait`` says how long to leave it alone, where that is known."""

    def __init__(self, outcome: Outcome, wait: timedelta | None = None) -> None:
        super().__init__(outcome.error or outcome.status)
        self.outcome = outcome
        self.wait = wait


@dataclass(frozen=True)
class Problem:
    """Something in the source that cannot be used: ``name`` says what, ``problem`` says why."""

    name: str
    problem: str


def stop_if_blocked(outcomes: pl.DataFrame) -> None:
    """Stop the run if the source refuses all requests. Call it when the rows are stored.

    Raises:
        SourceError: rows are blocked; the message says how many, until when, why, and what to do.
    """
    if "blocked" in outcomes["status"]:
        raise SourceError(describe_open(outcomes))


def open_requests(outcomes: pl.DataFrame) -> pl.DataFrame:
    """The rows that have no final answer yet."""
    return outcomes.filter(pl.col("status").is_in(["blocked", "retry"]))


def describe_open(outcomes: pl.DataFrame) -> str:
    """How many requests have no answer yet, when they are repeated, and the first error (a refusal before others)."""
    still_open = open_requests(outcomes).sort(pl.col("status") != "blocked", maintain_order=True)
    times = still_open["next_try_at"].drop_nulls().dt.convert_time_zone("UTC").dt.strftime("%F %R")
    when = f"repeated from {min(times)} UTC" if len(times) else "repeated by the next run"
    counts = f"{still_open.height:,} of {outcomes.height:,} requests without an answer, {when}"
    return f"{counts}: {still_open['error'][0] or 'no reason is known'}"


def due(outcomes: pl.LazyFrame, now: datetime) -> pl.LazyFrame:
    """The rows that a run would request again now."""
    next_try_at = pl.col("next_try_at").dt.convert_time_zone("UTC")
    is_due = next_try_at.is_null() | (next_try_at <= now.astimezone(UTC))
    return outcomes.filter(pl.col("status").is_in(["blocked", "retry"]) & is_due)

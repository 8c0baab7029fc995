"""Repeating an operation that another writer's commit made fail."""

from __future__ import annotations

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

_CONFLICTS = (
    "conflict",
    "locked",
    "deadlock",
    "already exists",
    "unique constraint",
    "concurrent",
    "failed to load ducklake",  # a commit reads the catalog again, and sees half of another writer's new table
)


def _is_conflict(error: BaseException) -> bool:
    """True for errors that the commit of another writer causes; the operation succeeds when it is repeated."""
    return isinstance(error, duckdb.Error) and any(word in str(error).lower() for word in _CONFLICTS)


def retrying() -> Retrying:
    """Attempts for up to two minutes, with random waits between them."""
    return Retrying(
        retry=retry_if_exception(_is_conflict),
        wait=wait_random_exponential(multiplier=0.05, max=3),
        stop=stop_after_delay(120),
        reraise=True,
    )

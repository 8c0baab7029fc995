"""What each snapshot of the lake records about its origin (`FROM lake.snapshots()` lists it), and what a write made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

FIRST_ROWS = 5
"""Rows of ``Written.first_rows``."""

PROGRAM = "howto-lake"
"""Author of snapshots that no run of Dagster made."""


@dataclass(frozen=True)
class Commit:
    """Author and message of a snapshot, and details for programs (``commit_extra_info``, JSON)."""

    message: str
    author: str = PROGRAM
    details: Mapping[str, str | None] = field(default_factory=dict)

    def record(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Attach this to the snapshot that the connection's open transaction will make."""
        details = json.dumps(dict(self.details)) if self.details else None
        connection.execute("CALL lake.set_commit_message(?, ?, extra_info => ?)", [self.author, self.message, details])


@dataclass(frozen=True)
class Written:
    """Result of a write: rows and content version of the written part, and the lake's snapshot.

    ``changed`` is false if the same content was stored already. ``first_rows``: the first rows by the key, for display.
    """

    rows: int
    version: str
    snapshot: int
    changed: bool
    first_rows: tuple[tuple[Any, ...], ...]

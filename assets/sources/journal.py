"""The answers of a remote source so far: one SQLite file, one committed row per answer.

It decides whether to send a request (again), and waits after a refusal. A table of the lake is written whole, so a run
that is killed leaves no row there; its answers are here, and the next run makes the same rows from them.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from assets.outcomes import FetchError, Outcome, SourceError, Status
from assets.values import storable
from ml.machine import require_sound_machine

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    kind TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL, fetched_at TEXT NOT NULL,
    next_try_at TEXT, error TEXT, body BLOB, PRIMARY KEY (kind, key)
);
CREATE TABLE IF NOT EXISTS pauses (scope TEXT PRIMARY KEY, until TEXT NOT NULL, error TEXT NOT NULL);
"""
_OPEN: frozenset[Status] = frozenset({"blocked", "retry"})


@dataclass(frozen=True)
class Record(Outcome):
    """One thing that was requested; ``body`` is the source's answer, where there is one."""

    body: bytes | None = None


@dataclass(frozen=True)
class Patience:
    """Waits before requests are repeated: doubling from ``first_retry`` to ``longest_retry``; ``pause`` if blocked."""

    first_retry: timedelta = timedelta(hours=1)
    longest_retry: timedelta = timedelta(days=7)
    pause: timedelta = timedelta(hours=1)

    def after(self, attempts: int) -> timedelta:
        """The wait after that many failed attempts."""
        return min(self.first_retry * 2 ** min(attempts - 1, 30), self.longest_retry)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """Answers by kind and key. Threads and processes may share one file; it must not be on a network file system.

    Args:
        path: the SQLite file, made with its folder when first needed.
        patience: the waits after failures and refusals.
        clock: the current time, with its time zone.
    """

    def __init__(self, path: Path, patience: Patience | None = None, clock: Callable[[], datetime] = _utc_now) -> None:
        self.path = path
        self.patience = patience or Patience()
        self.clock = clock
        self._lock = threading.Lock()

    def recall(
        self,
        kind: str,
        key: str,
        ask: Callable[[], bytes],
        scope: str,
        keep_for: timedelta | None = None,
    ) -> Record:
        """The stored answer, if it is final or not due yet; else that of ``ask``, stored at once.

        Args:
            ask: returns the answer's body, or raises ``FetchError``.
            scope: the site and the way to it. After a refusal of all requests no process sends it any for a while.
            keep_for: age from which a good answer is requested again (None: never); it stays if that fails.

        Raises:
            SourceError: the file is not a journal, or ``ask`` cannot send any request.
            OSError: this machine cannot store what ``ask`` fetches, for example because the disk is full.
        """
        known = self.get(kind, key)
        if known is not None and not self._is_due(known, keep_for):
            return known
        pause = self._pause_of(scope)
        if pause is not None:
            return known if known is not None and known.status == "ok" else _put_off(known, pause, self.clock())
        attempts = known.attempts + 1 if known is not None and known.status in _OPEN else 1
        try:
            record = Record("ok", attempts=attempts, fetched_at=self.clock(), body=ask())
        except FetchError as error:
            require_sound_machine(error)
            record = self._not_fetched(error, attempts)
            if record.status == "blocked":
                self._pause(scope, record)
        if known is not None and known.status == "ok" and record.status in _OPEN:
            record = replace(known, next_try_at=record.next_try_at, error=record.error)
        self.put(kind, key, record)
        return record

    def get(self, kind: str, key: str) -> Record | None:
        """The record of a thing, if there is one."""
        with self._lock:
            row = self._db.execute(
                "SELECT status, error, attempts, fetched_at, next_try_at, body FROM answers WHERE kind = ? AND key = ?",
                (kind, key),
            ).fetchone()
        if row is None:
            return None
        status, error, attempts, fetched_at, next_try_at, body = row
        return Record(
            status,
            error=error,
            attempts=attempts,
            fetched_at=datetime.fromisoformat(fetched_at),
            next_try_at=datetime.fromisoformat(next_try_at) if next_try_at else None,
            body=zlib.decompress(body) if body is not None else None,
        )

    def put(self, kind: str, key: str, record: Record) -> None:
        """Store the record of a thing; it is on disk when this returns."""
        fetched_at = record.fetched_at or self.clock()
        row = (
            kind,
            key,
            record.status,
            record.attempts,
            fetched_at.isoformat(),
            record.next_try_at.isoformat() if record.next_try_at else None,
            storable(record.error) if record.error else None,
            zlib.compress(record.body) if record.body is not None else None,
        )
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    @cached_property
    def _db(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            # In WAL mode a reader never waits for a writer; FULL syncs the log at every commit, that is, every answer.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise SourceError(f"{self.path}: not a journal ({error}); move it away to begin a new one") from error
        return database

    def forget(self, kind: str, key: str) -> None:
        """Remove the record of a thing."""
        with self._lock:
            self._db.execute("DELETE FROM answers WHERE kind = ? AND key = ?", (kind, key))

    def _is_due(self, known: Record, keep_for: timedelta | None) -> bool:
        if known.status == "blocked":
            return True  # the pause decides
        now = self.clock()
        if known.next_try_at is not None and now < known.next_try_at:
            return False
        if known.status == "ok":
            assert known.fetched_at is not None
            return keep_for is not None and now >= known.fetched_at + keep_for
        return known.status in _OPEN

    def _not_fetched(self, error: FetchError, attempts: int) -> Record:
        now, status = self.clock(), error.outcome.status
        wait = error.wait
        if wait is None:
            wait = self.patience.pause if status == "blocked" else self.patience.after(attempts)
        return Record(
            status,
            error=error.outcome.error,
            attempts=attempts,
            fetched_at=now,
            next_try_at=now + wait if status in _OPEN else None,
        )

    def _pause(self, scope: str, record: Record) -> None:
        assert record.next_try_at is not None
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO pauses VALUES (?, ?, ?)",
                (scope, record.next_try_at.isoformat(), record.error or record.status),
            )

    def _pause_of(self, scope: str) -> tuple[datetime, str] | None:
        with self._lock:
            row = self._db.execute("SELECT until, error FROM pauses WHERE scope = ?", (scope,)).fetchone()
        if row is None or self.clock() >= datetime.fromisoformat(row[0]):
            return None
        return datetime.fromisoformat(row[0]), row[1]


def _put_off(known: Record | None, pause: tuple[datetime, str], now: datetime) -> Record:
    until, error = pause
    attempts = known.attempts if known is not None else 0
    return Record("blocked", error=f"not requested: {error}", attempts=attempts, fetched_at=now, next_try_at=until)

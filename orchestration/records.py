"""Dagster's records of a lake in SQLite files, and the captured output of its steps, at a lower cost per step.

Both keep the files of the Dagster classes that they extend, so that they can replace each other.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._core.storage.runs.sqlite import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, pool

from ml.files import whole_file

_OPEN_RUNS = 4
"""Event logs of runs that stay open, in addition to the index of all runs."""


class EventLogs(SqliteEventLogStorage):
    """One SQLite file per run and an index, as ``SqliteEventLogStorage`` has, with connections that stay open.

    The file of a new run is a copy of an empty one; creating its tables would cost half a CPU second per run.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._known_tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    def has_table(self, table_name: str) -> bool:
        # Dagster's own opens the index again each time, several times per run. Tables do not disappear.
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            self._copy_empty(shard)
            engine = _kept_open(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        for old in [each for each in self._engines if each != INDEX_SHARD_NAME][:-_OPEN_RUNS]:
            self._engines.pop(old).dispose()
        return self._engines[shard]

    def _copy_empty(self, shard: str) -> None:
        """Make the file of a run, if there is none. Other processes see it when it is whole."""
        path, empty = Path(self.path_for_shard(shard)), Path(self._base_dir) / "empty"
        if shard == INDEX_SHARD_NAME or path.exists():
            return
        if not empty.exists():
            engine = create_engine(self.conn_string_for_shard(shard), poolclass=pool.NullPool)
            self._initdb(engine)
            engine.dispose()
            with closing(sqlite3.connect(path)) as made:
                made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            source, target = path, empty
        else:
            source, target = empty, path
        with whole_file(target) as part:
            shutil.copy(source, part)
        self._initialized_dbs.add(shard)

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


class RunRecords(SqliteRunStorage):
    """The SQLite file of ``SqliteRunStorage``, with connections that stay open: a run needs it 20 times."""

    @cached_property
    def _engine(self) -> Engine:
        return _kept_open(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        self._engine.dispose()
        super().dispose()


def _kept_open(address: str) -> Engine:
    engine = create_engine(
        address,
        poolclass=pool.QueuePool,
        max_overflow=-1,  # no thread of the UI waits for the connection of another
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection: sqlite3.Connection, _: object) -> None:
    """Wait for the disk at checkpoints only. After a loss of power, the last events may be missing, never damaged."""
    connection.execute("PRAGMA synchronous = NORMAL")


class Records(DagsterSqliteStorage):
    """Runs, event logs and schedules in the files of ``DagsterSqliteStorage``."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._run_storage = RunRecords.from_local(str(Path(base_dir) / "history"))
        self._event_log_storage = EventLogs(str(Path(base_dir) / "history" / "runs"))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls.from_local(inst_data=inst_data, **config_value)


class StepOutput(LocalComputeLogManager):
    """What steps print goes to files that the UI shows, without the four helper processes that also print it."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        paths = {kind: self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind]) for kind in ComputeIOType}
        for path in paths.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        with (
            redirect_to_file(sys.stdout, paths[ComputeIOType.STDOUT]),
            redirect_to_file(sys.stderr, paths[ComputeIOType.STDERR]),
        ):
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()

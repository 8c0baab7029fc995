"""The versioned store of tables: a DuckLake, that is Parquet files plus a transactional SQL catalog.

See ``tables`` for the contracts, and ``orchestration.io_manager`` for how assets use the store.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from assets.lake.commits import FIRST_ROWS, Commit, Written
from assets.lake.extensions import LakeError, install_extension, s3_secret
from assets.lake.faults import check_catalog, explain_fault
from assets.lake.removals import FILE as REMOVALS
from assets.lake.removals import removed_ids
from assets.lake.retrying import retrying
from assets.lake.schema import fit, stored_columns
from assets.lake.staging import STAGED, Frame, collected, stage
from assets.lake.tables import Table, load_tables, partition_folder
from assets.redaction import redact
from ml.files import content_hash
from sql import columns, literal

__all__ = ["Frame", "Lake", "LakeError"]

_EXTENSION_OF_CATALOG = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}
_BUSY_TIMEOUT_MS = 60_000
"""How long a writer waits for another that commits to the embedded catalog."""


class Lake:
    """Tables in a DuckLake. One connection per thread; any number of threads and processes may write at once.

    Args:
        root: folder of the catalog (``catalog.sqlite``) and of the Parquet files (``tables/``).
        catalog: DuckLake catalog instead of the embedded one, e.g. ``postgres:dbname=howto``. The variables of libpq
            (PGHOST, PGUSER, PGPASSWORD and others) complete the connection.
        data_path: folder of the Parquet files instead, e.g. ``s3://bucket/tables/``. AWS_ENDPOINT_URL,
            AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION give access to it.
        removals: list of removed ids instead of ``removals.csv`` in ``root``; their rows are not written.
    """

    def __init__(
        self, root: Path, catalog: str | None = None, data_path: str | None = None, removals: Path | None = None
    ) -> None:
        self.root = Path(root).absolute()
        self.removals = removals or self.root / REMOVALS
        self.catalog = catalog or f"sqlite:{self.root / 'catalog.sqlite'}"
        self.data_path = data_path or f"{self.root / 'tables'}/"
        self._database: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._local = threading.local()

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("root", "catalog", "data_path", "removals")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """This thread's connection, with the lake attached as ``lake`` and in use."""
        if not hasattr(self._local, "connection"):
            with self._lock:
                if self._database is None:
                    self._database = self._open()
            self._local.connection = self._database.cursor()
            self._local.connection.execute("USE lake")
        return self._local.connection

    def _open(self) -> duckdb.DuckDBPyConnection:
        check_catalog(self.catalog, self.data_path)
        self.root.mkdir(parents=True, exist_ok=True)
        database = duckdb.connect(config={"temp_directory": str(self.root / "spill")})
        self.install_extensions()
        *settings, attach = self.opening()
        for statement in settings:
            database.execute(statement)
        database.execute("SET enable_progress_bar = false")
        try:
            for attempt in retrying():
                with attempt:
                    database.execute(attach)
        except duckdb.Error as error:
            raise LakeError(self.explain(error) or f"{self.root}: {redact(str(error))}") from None
        return database

    def explain(self, error: Exception | str) -> str | None:
        """Place, cause and remedy of an error, if it is a fault of the lake as a whole."""
        return explain_fault(str(error), self.root, self.catalog, self.data_path)

    def install_extensions(self) -> None:
        """Install the extensions of DuckDB that the lake needs, from their Python packages.

        Raises:
            LakeError: a package is not installed, or the catalog is of an unknown kind.
        """
        for extension in self._extensions():
            install_extension(extension)

    def opening(self, read_only: bool = False) -> Iterator[str]:
        """The statements by which any DuckDB that has the extensions attaches the lake as ``lake``."""
        for extension in self._extensions():
            yield f"LOAD {extension}"
        if self.data_path.startswith("s3://"):
            yield s3_secret(os.environ)
        yield "SET TimeZone = 'UTC'"
        options = f"DATA_PATH {literal(self.data_path)}, OVERRIDE_DATA_PATH TRUE"
        options += ", READ_ONLY" if read_only else ", DATA_INLINING_ROW_LIMIT 0"
        if self.catalog.startswith("sqlite:"):
            # Readers do not wait for a writer, nor a writer for readers.
            options += f", META_BUSY_TIMEOUT {_BUSY_TIMEOUT_MS}"
            options += "" if read_only else ", META_JOURNAL_MODE 'WAL'"
        yield f"ATTACH {literal(f'ducklake:{self.catalog}')} AS lake ({options})"

    @property
    def is_new(self) -> bool:
        """True if the embedded catalog does not exist yet, or is empty. Others are created when first used."""
        kind, _, path = self.catalog.partition(":")
        return kind == "sqlite" and not (Path(path).exists() and Path(path).stat().st_size)

    def _extensions(self) -> list[str]:
        kind = self.catalog.split(":", 1)[0]
        if kind not in _EXTENSION_OF_CATALOG:
            known = " or ".join(f"{name}:" for name in _EXTENSION_OF_CATALOG)
            raise LakeError(f"the catalog begins with {kind}; it must begin with {known}")
        remote = ["httpfs"] if self.data_path.startswith("s3://") else []
        return ["ducklake", _EXTENSION_OF_CATALOG[kind], *remote]

    def close(self) -> None:
        """Close the database and the connections of all threads."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None
            self._local = threading.local()

    # -- reading ------------------------------------------------------------------------------------------------

    def sql(self, query: str, **params: object) -> duckdb.DuckDBPyRelation:
        """A query over the lake's tables by their names; ``params`` are the values of ``$name`` placeholders."""
        return self.connection.sql(query, params=params or None)

    def snapshot(self) -> int:
        """The newest snapshot's id."""
        return int(self.connection.execute("FROM ducklake_current_snapshot('lake')").fetchall()[0][0])

    def _committed_snapshot(self) -> int:
        return int(self.connection.execute("FROM ducklake_last_committed_snapshot('lake')").fetchall()[0][0])

    def has(self, table: str) -> bool:
        """True if the table exists, also without rows."""
        # Not duckdb_tables(), which reads the statistics of all tables.
        return bool(stored_columns(self.connection, table))

    def read(self, table: str, partitions: list[str] | None = None) -> duckdb.DuckDBPyRelation:
        """The table, or some of its partitions, at the current snapshot. Rows are read when the relation is used.

        Raises:
            LakeError: the table does not exist yet.
        """
        try:
            relation = self._relation(table)
        except duckdb.CatalogException:
            if not self.has(table):
                raise LakeError(f"{table}: not in the lake yet; materialize the asset {table} first") from None
            relation = self._relation(table)  # another writer has just created it
        column = self._contract(table).partition_column
        if partitions is None or column is None:
            return relation
        return relation.filter(f"{column} IN ({', '.join(map(literal, partitions))})")

    def _relation(self, table: str) -> duckdb.DuckDBPyRelation:
        version = "" if self._is_reading else f"AT (VERSION => {self.snapshot()})"
        return self.connection.sql(f"FROM {table} {version}")

    def version(self, table: str, partition: str | None = None) -> str | None:
        """Content version of a table or of one partition: a hash of its rows, whatever their order and files.

        None if the table does not exist or has columns that differ from its contract.
        """
        contract = self._contract(table)
        if stored_columns(self.connection, table) != contract.column_types:
            return None
        return self._version(contract, self._part(table, partition))[1]

    def versions(self, table: str, partitions: Sequence[str]) -> dict[str, str | None]:
        """The ``version`` of each of these partitions of a partitioned table, by one query."""
        contract = self._contract(table)
        if stored_columns(self.connection, table) != contract.column_types:
            return dict.fromkeys(partitions)
        query = f"SELECT {contract.partition_column}, {contract.sums} FROM lake.{table} GROUP BY ALL"
        found = self.connection.execute(query).fetchall()
        stored = {partition: self._hash(contract, *sums) for partition, *sums in found}
        empty = self._hash(contract, 0, None, None)
        return {partition: stored.get(partition, empty) for partition in partitions}

    def bytes(self, table: str) -> int:
        """Size of the table's current Parquet files in bytes; 0 without the table."""
        return sum(size for _, size, *_ in self.files(table))

    def files(self, table: str) -> list[tuple[str, int, str | None, int | None]]:
        """The table's current Parquet files: path and bytes of each, and of the file of its deleted rows, if any."""
        columns = "data_file, data_file_size_bytes, delete_file, delete_file_size_bytes"
        query = f"SELECT {columns} FROM ducklake_list_files('lake', {literal(table)})"
        try:
            return self.connection.execute(query).fetchall()
        except duckdb.CatalogException:
            if not self.has(table):
                return []
            return self.connection.execute(query).fetchall()  # another writer has just created the table

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One snapshot for several queries, at half their cost. Relations read within it must be used within it."""
        if self._is_reading:
            yield
            return
        self.connection.execute("BEGIN TRANSACTION READ ONLY")
        self._local.is_reading = True
        try:
            yield
        finally:
            self._local.is_reading = False
            self.connection.execute("ROLLBACK")

    @property
    def _is_reading(self) -> bool:
        return getattr(self._local, "is_reading", False)

    # -- writing ------------------------------------------------------------------------------------------------

    def write(
        self,
        table: str,
        frame: Frame,
        partition: str | None = None,
        partitions: Sequence[str] | None = None,
        commit: Commit | None = None,
    ) -> Written:
        """Replace a table, or exactly one partition of it, in one transaction. The same content writes nothing.

        Args:
            partitions: all current partitions; rows of any other partition are deleted.
            commit: who writes and why, for the list of snapshots.

        Raises:
            LakeError: columns differ from the contract, values do not fit it, or rows belong to another partition.
        """
        contract = self._contract(table)
        incoming = collected(frame)
        with self._transaction():
            stage(self.connection, contract, incoming, partition, removed_ids(self.removals))
            rows, version = self._version(contract, STAGED)
            first_rows = self._first_rows(contract)
        commit = commit or Commit(f"{table}[{partition}]" if partition else table)
        for attempt in retrying():
            with attempt:
                unchanged = self._replace(contract, partition, version, partitions, commit)
        self.connection.execute(f"DROP TABLE {STAGED}")
        if unchanged is not None:
            return Written(rows, version, unchanged, changed=False, first_rows=first_rows)
        return Written(rows, version, self._committed_snapshot(), changed=True, first_rows=first_rows)

    def _replace(
        self,
        contract: Table,
        partition: str | None,
        version: str,
        partitions: Sequence[str] | None,
        commit: Commit,
    ) -> int | None:
        """Replace stored rows by the staged ones; the snapshot in which they are stored already, None if changed."""
        with self.transaction(commit):
            fit(self.connection, contract)
            gone, may_have_rows = 0, True
            if partition is not None and partitions is not None:
                gone, may_have_rows = self._delete_other_partitions(contract, partition, partitions)
            part, empty = self._part(contract.name, partition), self._hash(contract, 0, None, None)
            stored = self._version(contract, part)[1] if may_have_rows else empty
            if stored == version:
                return None if gone else self.snapshot()
            if stored != empty:
                self.connection.execute(f"DELETE {part.removeprefix('(').removesuffix(')')}")
            if version != empty:
                self._insert_staged(contract)
        return None

    def _delete_other_partitions(self, contract: Table, partition: str, partitions: Sequence[str]) -> tuple[int, bool]:
        """Delete the rows of partitions that no longer exist.

        Folders name the partitions of files. A query would read the column in the files of all partitions.

        Returns:
            Number of deleted rows, and whether the table may have rows of ``partition``.
        """
        column = contract.partition_column
        folders = {path.rsplit("/", 2)[1].removeprefix(f"{column}=") for path, *_ in self.files(contract.name)}
        own = partition_folder(partition)
        if folders <= {own, *map(partition_folder, partitions)}:
            return 0, own in folders
        gone = f"DELETE FROM lake.{contract.name} WHERE {column} NOT IN (SELECT unnest(?))"
        return int(self.connection.execute(gone, [list(partitions)]).fetchall()[0][0]), True

    def _first_rows(self, contract: Table) -> tuple[tuple[Any, ...], ...]:
        ordered = f"FROM {STAGED} ORDER BY {columns(contract.primary_key)} LIMIT {FIRST_ROWS}"
        return tuple(self.connection.execute(ordered).fetchall())

    def remake(self, contract: Table, rows: str) -> None:
        """Replace a whole table, which need not be readable, by the rows of a query."""
        for attempt in retrying():
            with attempt, self.transaction(Commit(contract.name)):
                self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {STAGED} AS {rows}")
                self.connection.execute(f"DROP TABLE lake.{contract.name}")
                fit(self.connection, contract)
                self._insert_staged(contract)
        self.connection.execute(f"DROP TABLE {STAGED}")

    def _insert_staged(self, contract: Table) -> None:
        order = columns(contract.primary_key)
        # By name: a column that was added to a stored table is its last one.
        self.connection.execute(f"INSERT INTO lake.{contract.name} BY NAME FROM {STAGED} ORDER BY {order}")

    @contextmanager
    def transaction(self, commit: Commit) -> Iterator[None]:
        """One snapshot, with its author and message; none if nothing changes in it."""
        with self._transaction():
            commit.record(self.connection)
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # Outside a transaction, each query looks up the newest snapshot, which costs more than most queries.
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    # -- versions -----------------------------------------------------------------------------------------------

    def _part(self, table: str, partition: str | None) -> str:
        column = self._contract(table).partition_column
        if partition is None or column is None:
            return f"(FROM lake.{table})"
        return f"(FROM lake.{table} WHERE {column} = {literal(partition)})"

    def _version(self, contract: Table, source: str) -> tuple[int, str]:
        """Number of rows and content version: sums of two differently salted row hashes, which ignore the order."""
        count, first, second = self.connection.execute(f"SELECT {contract.sums} FROM {source}").fetchall()[0]
        return count, self._hash(contract, count, first, second)

    @staticmethod
    def _hash(contract: Table, count: int, first: int | None, second: int | None) -> str:
        """The content version of rows, from their number and the two sums of their hashes."""
        schema = [(c.name, c.type) for c in contract.columns if not c.is_provenance]
        return content_hash((schema, count, first, second))

    def _contract(self, table: str) -> Table:
        try:
            return load_tables()[table]
        except KeyError:
            raise LakeError(f"{table}: no contract sql/tables/{table}.sql") from None

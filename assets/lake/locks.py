"""Locks that all processes of a lake share, on this machine or on a cluster. A process that ends releases its locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ml.files import content_hash, only_writer

_POSTGRES = "postgres:"
_KEEP_ALIVE_S = 60
"""Seconds of silence after which a connection that waits is tested: firewalls forget those that are silent for long."""


class Locks:
    """Locks by name.

    A lake on one machine has a catalog there, and its locks are files. A lake on several machines has a catalog on
    PostgreSQL, which keeps the locks of its clients.

    Args:
        folder: of the lock files.
        catalog: where the catalog is, as ``Lake`` gets it.
    """

    def __init__(self, folder: Path, catalog: str = "") -> None:
        self.folder, self.catalog = folder, catalog

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold a lock, after waiting for another holder.

        Raises:
            psycopg2.OperationalError: the connection to the catalog was lost meanwhile, and the lock with it.
        """
        if not self.catalog.startswith(_POSTGRES):
            with only_writer(self.folder / name):
                yield
            return
        import psycopg2  # only lakes on a cluster need it

        key = int(content_hash(name), 16) - (1 << 63)
        server = self.catalog.removeprefix(_POSTGRES)
        with closing(psycopg2.connect(server, keepalives_idle=_KEEP_ALIVE_S)) as connection:
            connection.autocommit = True
            connection.cursor().execute("SELECT pg_advisory_lock(%s)", [key])
            yield
            connection.cursor().execute("SELECT pg_advisory_unlock(%s)", [key])

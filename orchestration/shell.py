"""The duckdb shell on the lake, read-only, with the statistics of ``sql/statistics`` as views ."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from assets.lake import Lake
from sql import identifier
from sql import statements as sql_files


def statements(lake: Lake) -> Iterator[str]:
    """What opens the lake in any DuckDB, read-only, and the views ``statistics.videos.funnel`` and so on.

    A statistic of tables that are not in the lake yet has no view.
    """
    yield from lake.opening(read_only=True)
    yield "USE lake"
    yield "ATTACH ':memory:' AS statistics"
    yield "CREATE SCHEMA statistics.queries"
    for name, query in sql_files("statistics").items():
        schema, view = name.split("/")
        try:
            lake.sql(query)
        except duckdb.CatalogException:
            continue
        # Views of a schema hide tables of the same names, so that the queries are in a schema without such names.
        yield f"CREATE VIEW statistics.queries.{identifier(name)} AS\n{query}"
        yield f"CREATE SCHEMA IF NOT EXISTS statistics.{schema}"
        yield f"CREATE VIEW statistics.{schema}.{view} AS FROM statistics.queries.{identifier(name)}"


def run_shell(lake: Lake, arguments: Sequence[str]) -> int:
    """Open the shell and return its exit code; ``arguments`` go to it, e.g. ``'FROM videos'`` or ``-csv``."""
    script = ";\n".join(statements(lake))
    lake.close()
    # In a file and not on the command line, which every user of the machine can read: keys of a store may be in it.
    with tempfile.TemporaryDirectory() as folder:
        opening = Path(folder) / "opening.sql"
        opening.touch(mode=0o600)
        opening.write_text(f"{script};\n", encoding="utf-8")
        shell = Path(sys.executable).parent / "duckdb"
        # Ctrl-C is for the shell, which ends a query by it. What is ignored would be ignored there too.
        signal.signal(signal.SIGINT, lambda *_: None)
        # Without the name of a database the shell takes the first argument for one, and a query would become a file.
        return subprocess.call([os.fspath(shell), ":memory:", "-init", os.fspath(opening), *arguments])

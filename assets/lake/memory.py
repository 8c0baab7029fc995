"""A lake opened once more, with a bound on the memory of its queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from assets.lake.store import Lake
from sql import literal


@contextmanager
def with_memory(lake: Lake, limit: str, threads: int | None = None) -> Iterator[Lake]:
    """The lake with a DuckDB of its own, which writes what exceeds the limit to the folder ``spill`` of the lake.

    Args:
        limit: memory in DuckDB's form, such as ``1GB``.
        threads: threads of DuckDB; None for one per core.
    """
    own = Lake(lake.root, lake.catalog, lake.data_path, lake.removals)
    try:
        own.connection.execute(f"SET memory_limit = {literal(limit)}")
        if threads is not None:
            own.connection.execute(f"SET threads = {threads}")
        yield own
    finally:
        own.close()

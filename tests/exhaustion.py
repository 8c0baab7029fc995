"""A machine that can do no more: files that may not grow, and no more open files; both for this process only."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """Files cannot grow beyond ``size`` bytes, as on a disk that is nearly full; writing more is an OSError."""
    with _limited(resource.RLIMIT_FSIZE, size):
        yield


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened."""
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    with _limited(resource.RLIMIT_NOFILE, lowest_free):
        yield


@contextmanager
def _limited(kind: int, limit: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)

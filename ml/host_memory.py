"""The C library's memory of a process that computes on the CPU."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Settings of glibc's allocator (mallopt(3))."""


def keep_freed_memory() -> None:
    """Let the C library keep freed memory in this process, because a step frees as much as the next one allocates.

    Memory that is returned to the system is zeroed again at each step. That takes an eighth of the time of a large
    training step, and a third of the time of a network that turns pictures into vectors.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


def return_freed_memory() -> None:
    """Return freed memory to the system, for what this process and others do next."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)

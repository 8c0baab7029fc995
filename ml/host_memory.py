"""The C library's memory of a process that computes on the CPU."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Settings of glibc's allocator (mallopt(3))."""


def keep_freed_memory() -> None:
    """Let the C library keep freed memory in this process, because a step frees as much as the next one allocates.

    Memory that is returned to the system is zeroed again at each step, which takes an eighth of a large step's time.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)

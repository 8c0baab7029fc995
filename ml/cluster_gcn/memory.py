"""Counters of the memory that a training uses."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

_STATUS = Path("/proc/self/status")

Result = TypeVar("Result")


def reset_peak(device: torch.device | str) -> None:
    """Start a new measurement; on the CPU the peak is always that of the whole process."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: torch.device | str) -> float:
    """Peak memory in MiB: of tensors on a CUDA device, otherwise the resident set of the process."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resident_mib("VmHWM")


def added_memory(work: Callable[[], Result], device: torch.device | str) -> tuple[Result, float]:
    """The result of ``work``, and by how many MiB its peak memory exceeds the memory in use before.

    On the CPU this needs a process whose earlier peak is not above the memory that it still uses.
    """
    reset_peak(device)
    cuda = torch.device(device).type == "cuda"
    before = torch.cuda.memory_allocated(device) / 2**20 if cuda else resident_mib()
    result = work()
    return result, max(peak_mib(device) - before, 0.0)


def resident_mib(counter: str = "VmRSS") -> float:
    """Resident memory of this process in MiB: the current value (``VmRSS``) or the peak (``VmHWM``).

    Without Linux's counters it is the peak in both cases.
    """
    if _STATUS.exists():
        # Unlike ru_maxrss, these counters do not include the memory of the parent process.
        lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
        return int(lines[counter].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)

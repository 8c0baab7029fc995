"""How much memory a training takes. Belongs here: reading the counters. Not here: what is measured."""

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
    """Begin a new measurement; on the CPU the peak is that of the process's whole life."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: torch.device | str) -> float:
    """Most memory taken so far, in MiB: of tensors on a CUDA device, otherwise the process's resident set."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resident_mib("VmHWM")


def added_memory(work: Callable[[], Result], device: torch.device | str) -> tuple[Result, float]:
    """What ``work`` returns, and how many MiB the peak during it lies above what was taken before.

    On the CPU that needs a process that has not yet taken more than it holds.
    """
    reset_peak(device)
    cuda = torch.device(device).type == "cuda"
    before = torch.cuda.memory_allocated(device) / 2**20 if cuda else resident_mib()
    result = work()
    return result, max(peak_mib(device) - before, 0.0)


def resident_mib(counter: str = "VmRSS") -> float:
    """Resident memory of this process in MiB: what it takes now (``VmRSS``) or its peak (``VmHWM``).

    Without Linux's counters it is the peak in both cases.
    """
    if _STATUS.exists():
        # Unlike ru_maxrss, these do not begin with the memory of the process that started this one.
        lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
        return int(lines[counter].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)

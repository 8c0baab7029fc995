"""Counters of the memory that a training or a partition uses. Imports torch only for the memory of a device."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"

Result = TypeVar("Result")


def reset_peak(device: torch.device | str) -> None:
    """Start a new measurement; on the CPU of systems other than Linux the peak is that of the whole process."""
    if _is_cuda(device):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR.exists():
        _CLEAR.write_text(_CLEAR_PEAK, encoding="ascii")


def peak_mib(device: torch.device | str) -> float:
    """Peak memory in MiB: of tensors on a CUDA device, otherwise the resident set of the process."""
    if _is_cuda(device):
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    return resident_mib("VmHWM")


def added_memory(work: Callable[[], Result], device: torch.device | str) -> tuple[Result, float]:
    """The result of ``work``, and by how many MiB its peak memory exceeds the memory in use before.

    On the CPU memory counts that ``work`` takes from the system: use a process of its own, where nothing earlier has
    left free memory behind.
    """
    reset_peak(device)
    before = _allocated_mib(device)
    result = work()
    return result, max(peak_mib(device) - before, 0.0)


def _is_cuda(device: torch.device | str) -> bool:
    return str(device).startswith("cuda")


def _allocated_mib(device: torch.device | str) -> float:
    if _is_cuda(device):
        import torch

        return torch.cuda.memory_allocated(device) / 2**20
    return resident_mib()


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

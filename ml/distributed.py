"""What several processes exchange during a training; with a single process, every function returns its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.distributed
from torch import Tensor

Rows = dict[str, Tensor]
"""Results of a forward pass that a loss needs, by name; their rows may be those of several batches in a row."""

AllGather = Callable[[Tensor], Tensor]
"""The rows of all processes, given those of this one, with gradients: ``gather``, or the identity."""


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes ``[n, ...]``, those of process 0 first, with gradients; they may differ in number.

    The gradient that arrives at a row is the sum over the processes.
    """
    if not _several():
        return rows
    from torch.distributed.nn.functional import all_gather

    counts = _row_counts(len(rows))
    padded = torch.cat([rows, rows.new_zeros((max(counts) - len(rows), *rows.shape[1:]))])
    parts = all_gather(padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def _row_counts(count: int) -> list[int]:
    """The number of rows of each process. Hosts exchange it among themselves, so that none waits for its device."""
    counts = torch.zeros(torch.distributed.get_world_size(), dtype=torch.int64)
    torch.distributed.all_gather_into_tensor(counts, torch.tensor([count]), group=_hosts(torch.distributed.group.WORLD))
    found: list[int] = counts.tolist()
    return found


@cache
def _hosts(world: Any) -> Any:
    """The processes of ``world`` as a group that exchanges tensors on the CPU."""
    return world if torch.distributed.get_backend(world) == "gloo" else torch.distributed.new_group(backend="gloo")


def mean_over_processes(losses: Tensor, all_gather: AllGather) -> Tensor:
    """This process's part of the mean of ``losses[n]`` over all processes; 0 if no process has one."""
    count = all_gather(losses.new_full((1,), float(len(losses)))).sum()
    return losses.sum() / count.clamp(min=1)


def from_first_process(numbers: Sequence[int], device: torch.device) -> list[int]:
    """The integers of process 0, in every process.

    Every decision that depends on a clock, a file or another local value and leads to a collective operation must pass
    through here: processes that decide by themselves wait for each other forever.
    """
    if not _several():
        return list(numbers)
    shared = torch.tensor(numbers, dtype=torch.int64, device=device)
    torch.distributed.broadcast(shared, src=0)
    received: list[int] = shared.tolist()
    return received


def _several() -> bool:
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1

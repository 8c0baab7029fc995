"""What several processes exchange during a training; with a single process, every function returns its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    most = max(int(count) for count in counts)
    padded = torch.cat([rows, rows.new_zeros((most - len(rows), *rows.shape[1:]))])
    parts = all_gather(padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])


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

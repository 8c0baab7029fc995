"""What several processes exchange during a training; with a single process, every function returns its input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

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

    counts = of_processes(len(rows))
    padded = torch.cat([rows, rows.new_zeros((max(counts) - len(rows), *rows.shape[1:]))])
    parts = all_gather(padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def of_processes(count: int) -> list[int]:
    """A number of each process. Hosts exchange it among themselves, so that none waits for its device.

    Raises:
        MemoryOfAnotherProcessError: another process called ``report_out_of_memory`` instead.
    """
    if not _several():
        return [count]
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(counts, torch.tensor([count]), group=_hosts(torch.distributed.group.WORLD))
    found = [int(each) for each in counts]
    if _OUT_OF_MEMORY in found and count != _OUT_OF_MEMORY:
        raise MemoryOfAnotherProcessError(f"process {found.index(_OUT_OF_MEMORY)} ran out of memory")
    return found


class MemoryOfAnotherProcessError(RuntimeError):
    """Another process ran out of the memory of its device."""


def report_out_of_memory() -> None:
    """Raise ``MemoryOfAnotherProcessError`` in all other processes, where they call ``of_processes`` next."""
    of_processes(_OUT_OF_MEMORY)


_OUT_OF_MEMORY = -1


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add up the gradients of all processes. A parameter that none of them used keeps no gradient.

    This is a step of its own, not a part of the backward pass, because a process that runs out of memory in its
    backward pass must be able to report it before others wait for its gradients.
    """
    if not _several():
        return
    learned = [each for each in parameters if each.requires_grad]
    used = torch.tensor([each.grad is not None for each in learned], dtype=torch.int32)
    torch.distributed.all_reduce(used, torch.distributed.ReduceOp.MAX, group=_hosts(torch.distributed.group.WORLD))
    for some in _buckets([each for each, by_one in zip(learned, used.tolist(), strict=True) if by_one]):
        own = [torch.zeros_like(each) if each.grad is None else each.grad for each in some]
        flat = torch.cat([each.reshape(-1) for each in own])
        torch.distributed.all_reduce(flat)
        for each, total in zip(some, flat.split([each.numel() for each in some]), strict=True):
            each.grad = total.view_as(each)


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Parameters of one type in groups of about ``BUCKET`` numbers, which are exchanged at once."""
    for dtype in dict.fromkeys(each.dtype for each in parameters):
        some: list[nn.Parameter] = []
        for each in (each for each in parameters if each.dtype == dtype):
            some.append(each)
            if sum(each.numel() for each in some) >= BUCKET:
                yield some
                some = []
        if some:
            yield some


BUCKET = 1 << 24
"""Numbers of an exchange of gradients: enough for the speed of the network, few compared with those of a step."""


def copy_from_first_process(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors with those of process 0."""
    if _several():
        for each in tensors:
            torch.distributed.broadcast(each.detach(), src=0)


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

"""Reading the batches of a training ahead of its steps, in a thread or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Part = TypeVar("Part")

Batches = Callable[[int, int, int], Sequence[Part]]
"""A step, a process and the number of processes to this process's share of the step's batch, in parts.

Parts are computed one after another. Each is a tuple, list or dict of tensors on the CPU and of plain values, nested in
any way. For worker processes the callable must be picklable and hold neither the network nor the optimiser.
"""

AHEAD = 2
"""Batches that each worker process reads ahead."""


@dataclass(frozen=True)
class Share(Dataset[Sequence[Part]], Generic[Part]):
    """The batches of one of several processes, by step."""

    batches: Batches[Part]
    process: int = 0
    processes: int = 1

    def __getitem__(self, step: int) -> Sequence[Part]:
        return self.batches(step, self.process, self.processes)


def read_ahead(share: Share[Part], steps: range, workers: int, pinned: bool) -> Iterator[Sequence[Part]]:
    """The batches of ``steps`` in order.

    Args:
        workers: worker processes that read; with 0 a thread of this process reads one batch ahead. Workers take seconds
            to start, so they pay for long trainings. They are not forks of this process, because Lance must not be
            used across a fork.
        pinned: whether tensors are in pinned memory, from which a GPU copies without waiting.
    """
    if workers:
        yield from DataLoader(
            share,
            batch_size=None,
            sampler=steps,
            num_workers=min(workers, max(len(steps), 1)),
            multiprocessing_context="forkserver",
            prefetch_factor=AHEAD,
            pin_memory=pinned,
        )
        return
    with ThreadPoolExecutor(1) as pool:

        def read(step: int) -> Future[Sequence[Part]]:
            return pool.submit(_pinned if pinned else _plain, share, step)

        ahead = read(steps[0]) if steps else None
        for step in steps:
            assert ahead is not None
            batch = ahead.result()
            ahead = read(step + 1) if step + 1 in steps else None
            yield batch


def on_device(batch: Any, device: torch.device) -> Any:
    """A batch with its tensors on a device, in any nesting of tuples, lists and dicts."""
    return mapped(batch, lambda tensor: tensor.to(device, non_blocking=True))


def _plain(share: Share[Part], step: int) -> Sequence[Part]:
    return share[step]


def _pinned(share: Share[Part], step: int) -> Sequence[Part]:
    batch: Sequence[Part] = mapped(share[step], Tensor.pin_memory)
    return batch


def mapped(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """A function applied to the tensors in any nesting of tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {name: mapped(each, function) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        values = [mapped(each, function) for each in value]
        return value._make(values) if hasattr(value, "_make") else type(value)(values)
    return value

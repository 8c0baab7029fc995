"""How much memory of a GPU a training needs, before it starts and without a GPU.

The forward pass and the losses of a step run on fake tensors, which have a shape, a type and a device and no data. What
autograd keeps for the backward pass is counted. It is a lower bound of a step's activations: kernels need memory of
their own while they run, for which ``HEADROOM`` leaves room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ml.distributed import AllGather, Rows
from ml.loading import mapped

HEADROOM = 1.25
"""Memory of a step relative to what is counted."""
ADAM = 2
"""Numbers that Adam keeps per parameter."""
GIB = 2**30


class Step(Protocol):
    """The part of a ``TrainTask`` that an estimate needs."""

    @property
    def network(self) -> nn.Module: ...

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class Estimate:
    """Bytes of a training on a GPU: ``tables`` are buffers and a batch's inputs, ``kept`` is for the backward pass."""

    parameters: int
    gradients: int
    optimiser: int
    tables: int
    kept: int

    @property
    def total(self) -> int:
        """Bytes at the peak of a step."""
        fixed = self.parameters + self.gradients + self.optimiser + self.tables
        return fixed + int(HEADROOM * self.kept)

    def __str__(self) -> str:
        names = ("parameters", "gradients", "optimiser", "tables", "kept")
        parts = ", ".join(f"{name} {getattr(self, name) / GIB:.1f}" for name in names)
        return f"about {self.total / GIB:.1f} GiB ({parts})"


def estimate(task: Step, parts: Sequence[Any], precision: torch.dtype | None = None) -> Estimate:
    """The memory of a step on one GPU.

    Of several parts one at a time is kept, and in addition the rows of all with their gradients.

    Args:
        parts: a batch of the task, on the CPU.
        precision: of the forward pass; None for float32.
    """
    network, mode = task.network, FakeTensorMode()

    def on_gpu(tensor: Tensor) -> Tensor:
        with mode:
            return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cuda")

    learned = {name: on_gpu(each.detach()).requires_grad_() for name, each in network.named_parameters()}
    tables = {name: on_gpu(each) for name, each in network.named_buffers()}
    largest = max(parts, key=_bytes)
    fixed = {_storage(each) for each in (*learned.values(), *tables.values())}
    in_network, in_losses = _Kept(fixed), _Kept(fixed)
    with mode:
        with _in_precision(precision), in_network.counted():
            rows = torch.func.functional_call(network, {**learned, **tables}, (mapped(largest, on_gpu),))
        if len(parts) > 1:  # the losses of all rows are computed before and apart from the graph of any part
            rows = {name: torch.cat([row.detach()] * len(parts)) for name, row in rows.items()}
            for row in rows.values():
                row.requires_grad_(row.is_floating_point())
        with in_losses.counted():
            task.losses(rows, 0, lambda own: own)
    gradients = 2 * sum(map(_size, rows.values()))
    apart = max(in_network.bytes, in_losses.bytes) + gradients
    kept = apart if len(parts) > 1 else in_network.bytes + in_losses.bytes
    own = sum(_size(each) for each in learned.values())
    inputs = sum(_size(each) for each in tables.values()) + sum(map(_bytes, parts))
    return Estimate(own, own, ADAM * own, inputs, kept)


@contextmanager
def _in_precision(precision: torch.dtype | None) -> Iterator[None]:
    """What ``torch.autocast`` does, which refuses where there is no GPU."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", precision is not None)
    torch.set_autocast_dtype("cuda", precision or before[1])
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


class _Kept:
    """Counts the storages that autograd saves, each once, without those of ``known`` tensors."""

    def __init__(self, known: set[int]) -> None:
        self.known, self.bytes = set(known), 0

    def counted(self) -> torch.autograd.graph.saved_tensors_hooks:
        """Where this context is active, tensors are counted."""
        return torch.autograd.graph.saved_tensors_hooks(self._add, lambda tensor: tensor)

    def _add(self, tensor: Tensor) -> Tensor:
        if _storage(tensor) not in self.known:
            self.known.add(_storage(tensor))
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _bytes(value: Any) -> int:
    """Bytes of the tensors in a nesting of tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return _size(value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return sum(map(_bytes, inner))

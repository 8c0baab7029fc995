"""The gradient of a loss over a whole batch, when the network computes the batch in parts.

A contrastive loss compares every example of a batch with every other, so it is not a mean over parts. The network
computes the rows of all parts without a graph; the loss has a gradient at these rows; the parts are computed again, one
at a time with a graph, to propagate that gradient ("Scaling deep contrastive learning batch size under almost constant
memory", arXiv 2101.06983).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ml.distributed import Rows, of_processes

Losses = Callable[[Rows], dict[str, Tensor]]
"""From the rows of a process's batch to this process's part of each loss; ``loss`` is minimised."""


def backward(network: nn.Module, parts: Sequence[Any], losses: Losses, accelerator: Accelerator) -> dict[str, Tensor]:
    """Compute this process's part of the gradient; return its part of each loss.

    The network runs in the accelerator's precision, the losses outside of it: half precision is too coarse for
    differences of similarities.

    Raises:
        MemoryOfAnotherProcessError: another process reported that its network ran out of memory.
    """
    if len(parts) == 1:
        with accelerator.autocast():
            once = [network(parts[0])]
    else:
        with torch.no_grad():
            once = [_rows(network, part, index, accelerator) for index, part in enumerate(parts)]
    of_processes(0)  # the losses may exchange rows: every process must have its own
    # Floating rows get a gradient, but not the network's graph.
    whole = {name: tensor.detach().requires_grad_(tensor.is_floating_point()) for name, tensor in joined(once).items()}
    found, at_rows = _at_rows(whole, losses, accelerator)
    if len(parts) == 1:
        _propagate(once[0], at_rows, accelerator)
    else:
        pieces = {name: gradient.split([len(each[name]) for each in once]) for name, gradient in at_rows.items()}
        for index, part in enumerate(parts):
            own = {name: piece[index] for name, piece in pieces.items()}
            _propagate(_rows(network, part, index, accelerator), own, accelerator)
    of_processes(0)
    return {name: value.detach() for name, value in found.items()}


def joined(rows: Sequence[Rows]) -> Rows:
    """The rows of all parts of a batch."""
    return rows[0] if len(rows) == 1 else {name: torch.cat([each[name] for each in rows]) for name in rows[0]}


def _at_rows(whole: Rows, losses: Losses, accelerator: Accelerator) -> tuple[dict[str, Tensor], Rows]:
    """The losses, and the gradient at the rows that have one."""
    learned = [name for name, tensor in whole.items() if tensor.requires_grad]
    try:
        found = losses(whole)
        gradients = torch.autograd.grad(found["loss"], [whole[name] for name in learned], allow_unused=True)
    except torch.OutOfMemoryError as error:
        if accelerator.num_processes > 1:  # others may wait for this process within the losses
            raise RuntimeError("the losses of a batch do not fit in memory; use a smaller batch") from error
        raise
    return found, {name: each for name, each in zip(learned, gradients, strict=True) if each is not None}


def _propagate(rows: Rows, at_rows: Rows, accelerator: Accelerator) -> None:
    """Propagate the gradient at a part's rows through the network."""
    learned = [name for name in at_rows if rows[name].requires_grad]
    gradients = [at_rows[name] for name in learned]
    if accelerator.scaler is not None:
        gradients = [accelerator.scaler.scale(each) for each in gradients]
    torch.autograd.backward([rows[name] for name in learned], gradients)


def _rows(network: nn.Module, part: Any, index: int, accelerator: Accelerator) -> Rows:
    """A part's rows, with the same dropout in both passes."""
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices), accelerator.autocast():
        torch.manual_seed((torch.initial_seed() * 1_000_003 + index) % 2**63)
        rows: Rows = network(part)
        return rows

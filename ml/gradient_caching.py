"""The gradient of a loss over a whole batch, when the network computes the batch in parts.

A contrastive loss compares every example of a batch with every other, so it is not a mean over parts. The network
computes the rows of all parts without a graph; the loss has a gradient at these rows; the parts are computed again, one
at a time with a graph, to propagate that gradient ("Scaling deep contrastive learning batch size under almost constant
memory", arXiv 2101.06983).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ml.distributed import Rows

Losses = Callable[[Rows], dict[str, Tensor]]
"""From the rows of a process's batch to this process's part of each loss; ``loss`` is minimised."""


def backward(network: nn.Module, parts: Sequence[Any], losses: Losses, accelerator: Accelerator) -> dict[str, Tensor]:
    """Compute the gradient of the sum of ``loss`` over all processes; return this process's part of each loss.

    The network runs in the accelerator's precision, the losses outside of it: half precision is too coarse for
    differences of similarities.
    """
    # Gradients are averaged over the processes, but the loss is the sum of their parts.
    scale = accelerator.num_processes
    if len(parts) == 1:
        with accelerator.autocast():
            rows = network(parts[0])
        found = losses(rows)
        accelerator.backward(found["loss"] * scale)
        return found
    with torch.no_grad():
        once = [_rows(network, part, index, accelerator) for index, part in enumerate(parts)]
    whole = {name: torch.cat([each[name] for each in once]) for name in once[0]}
    learned = [name for name, tensor in whole.items() if tensor.is_floating_point()]
    for name in learned:
        whole[name].requires_grad_()
    found = losses(whole)
    gradients = torch.autograd.grad(found["loss"] * scale, [whole[name] for name in learned], allow_unused=True)
    at_rows = {name: gradient for name, gradient in zip(learned, gradients, strict=True) if gradient is not None}
    _propagate(network, parts, once, at_rows, accelerator)
    return {name: value.detach() for name, value in found.items()}


def _propagate(
    network: nn.Module, parts: Sequence[Any], once: Sequence[Rows], at_rows: Mapping[str, Tensor], accelerator: Any
) -> None:
    pieces = {name: gradient.split([len(each[name]) for each in once]) for name, gradient in at_rows.items()}
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        with accelerator.no_sync(network) if not last else nullcontext():
            again = _rows(network, part, index, accelerator)
            products = [(again[name] * piece[index]).sum() for name, piece in pieces.items()]
            accelerator.backward(torch.stack(products).sum())


def _rows(network: nn.Module, part: Any, index: int, accelerator: Accelerator) -> Rows:
    """A part's rows, with the same dropout in both passes."""
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices), accelerator.autocast():
        torch.manual_seed((torch.initial_seed() * 1_000_003 + index) % 2**63)
        rows: Rows = network(part)
        return rows

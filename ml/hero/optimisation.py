"""Optimiser and learning-rate schedule of pre-training and fine-tuning, as in the authors' public configurations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def adamw(
    network: nn.Module,
    learning_rate: float,
    weight_decay: float,
    heads: Sequence[nn.Module] = (),
    head_factor: float = 1.0,
) -> torch.optim.AdamW:
    """AdamW with betas .9 and .98. Biases and layer norms are not decayed.

    Args:
        heads: parts whose learning rate is ``head_factor`` times that of the rest.
    """
    of_heads = {id(parameter) for head in heads for parameter in head.parameters()}
    plain = {
        id(parameter)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if isinstance(module, nn.LayerNorm) or name.endswith("bias")
    }
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        groups.setdefault((id(parameter) in of_heads, id(parameter) in plain), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": learning_rate * (head_factor if of_head else 1.0),
                "weight_decay": 0.0 if undecayed else weight_decay,
            }
            for (of_head, undecayed), parameters in groups.items()
        ],
        betas=(0.9, 0.98),
        eps=1e-6,
        fused=True,
    )


def warm_up_and_decay(step: int, warm_up: int, steps: int) -> float:
    """Factor of the learning rate in a step, from 0: linear up to 1, then linear to 0."""
    return (step + 1) / warm_up if step < warm_up else (steps - step) / (steps - warm_up)

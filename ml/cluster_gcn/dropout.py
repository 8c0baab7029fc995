"""Dropout that is faster on a CPU than torch's, whose time is mostly that of its random numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_STEPS = 1 << 16


class Dropout(nn.Dropout):
    """Sets each value to 0 with probability ``p`` in training, and scales the others by 1/(1-p).

    On the CPU a 64-bit random number decides on four values, so ``p`` is rounded to 1/65,536. It uses torch's
    generator.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, to the same."""
        dropped = round(self.p * _STEPS)
        if not self.training or not 0 < dropped < _STEPS or input.device.type != "cpu":
            return super().forward(input)
        words = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.int16)[: input.numel()].view(input.shape) >= dropped - _STEPS // 2
        return input * kept.to(input.dtype).mul_(_STEPS / (_STEPS - dropped))

"""The head that finds the first and the last frame of a moment, and its loss. See ``ml.hero.downstream.moments``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PADDING = -1e4
"""Score of a position without a frame."""
KERNEL = 5


class MomentHead(nn.Module):
    """Start and end of a moment: ``s_t = W q · h_t``, then one convolution over time for each (no bias, width 5)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, hidden)
        self.start = nn.Conv1d(1, 1, KERNEL, padding=KERNEL // 2, bias=False)
        self.end = nn.Conv1d(1, 1, KERNEL, padding=KERNEL // 2, bias=False)

    def forward(self, queries: Tensor, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``[pairs, frames]`` of the first and the last frame, for query i in video i."""
        similarity = torch.einsum("ph,pfh->pf", self.query(queries), frames)
        return self.boundaries(similarity, mask)

    def boundaries(self, similarity: Tensor, mask: Tensor, read_padding: bool = False) -> tuple[Tensor, Tensor]:
        """The same from ``similarity[pairs, frames]``, which is 0 in the padding unless it is read, as published."""
        track = (similarity if read_padding else similarity.masked_fill(~mask, 0))[:, None]
        start, end = self.start(track)[:, 0], self.end(track)[:, 0]
        return start.masked_fill(~mask, PADDING), end.masked_fill(~mask, PADDING)


def span_losses(start: Tensor, end: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Sum of the cross entropies of the first and the last frame of each moment ``[moments]``."""
    begins = functional.cross_entropy(start, first, reduction="none")
    return begins + functional.cross_entropy(end, last, reduction="none")

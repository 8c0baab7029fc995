"""HERO's pre-training: one file a task, and the training that draws among them (D.3, D.4).

Every task has the same three parts. ``draw`` packs videos with what is hidden or asked, by a generator a video: it is
the same however the videos of a step are shared out. ``rows`` runs the model on such a batch. ``loss`` turns rows into
the loss of the whole batch, or into this process's part of it: ``everyone`` gives the rows of all processes, and the
parts add up to what one process would have computed of all videos.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Rows = dict[str, Tensor]
"""What of a forward pass enters a loss: tensors whose rows may be those of several batches, one after the other."""

Everyone = Callable[[Tensor], Tensor]
"""The rows of all processes, from those of this one, with gradients (``ml.harness.gather``)."""


def mean_over_everyone(losses: Tensor, everyone: Everyone) -> Tensor:
    """This process's part of the mean of ``losses[n]``; 0 if nobody has one."""
    count = everyone(losses.new_full((1,), float(len(losses)))).sum()
    return losses.sum() / count.clamp(min=1)

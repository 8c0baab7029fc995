"""Video entailment (VIOLIN), whether a statement about a video is true: head and loss on HERO's frame embeddings.

See ``ml.hero.downstream.tasks.video_entailment`` for the input, which appends the statement to the video.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ml.hero.downstream.question_answering import Pool, TwoLayers


class StatementHead(nn.Module):
    """One logit per statement."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.over_frames = Pool(hidden)
        self.truth = TwoLayers(hidden, 1)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``frames[statements, frames, hidden]``, ``mask[statements, frames]`` to logits ``[statements]``."""
        truth: Tensor = self.truth(self.over_frames(frames, mask))
        return truth[..., 0]


def statement_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy of ``labels[statements]``, true or false, of each."""
    return functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")


def judged_true(logits: Tensor) -> Tensor:
    """True for statements with a probability above 0.5."""
    return logits.sigmoid() > 0.5

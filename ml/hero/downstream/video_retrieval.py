"""Finding a video by text (MSR-VTT): the global half of moment retrieval.

Belongs here: loss and evaluation by ``S(q, V)`` alone; there is no start and end.
"""

from __future__ import annotations

from torch import Tensor

from ml.hero.downstream.moments import Asked, LossSettings, Shown, ranking_losses, video_scores
from ml.metrics.retrieval import Ranks, ranks_of_scores

SETTINGS = LossSettings(videos=10.0, queries=10.0, span=0.0, pool=80)
"""MSR-VTT's weights. From which step negatives are hard is TVR's: the published setting is not known."""


def video_loss(asked: Asked, shown: Shown, step: int, settings: LossSettings = SETTINGS) -> dict[str, Tensor]:
    """Both ranking losses of a batch; arguments as for ``ranking_losses``."""
    videos, texts = ranking_losses(asked, shown, settings, step)
    return {"loss": settings.videos * videos + settings.queries * texts, "videos": videos, "queries": texts}


def video_ranks(queries: Tensor, frames: Tensor, mask: Tensor, own: Tensor) -> Ranks:
    """Where each query's own video stands; to be reported by ``retrieval_metrics``."""
    return ranks_of_scores(video_scores(queries, frames, mask), own)

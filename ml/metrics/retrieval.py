"""Text-to-video retrieval: ranks and what is reported of them (HowTo100M section 5.1).

Belongs here: metrics over scores or ranks. Ties are shared: a query whose own video ties with others gets the mean of
the places that the tied ones occupy, and counts for R@k by the share of those places within the first k. So a scorer
that cannot tell videos apart scores chance, not perfection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Ranks:
    """Place of each query's own video: ``better[queries]`` videos score higher, ``ties[queries]`` others the same."""

    better: NDArray[np.int64]
    ties: NDArray[np.int64]

    @property
    def expected(self) -> NDArray[np.float64]:
        """Rank from 1, the mean over all orders of the tied ones."""
        return 1 + self.better + self.ties / 2

    def recall(self, k: int) -> float:
        """Share of queries whose own video is among the first k, expected over all orders of the tied ones."""
        return float(np.clip((k - self.better) / (self.ties + 1), 0, 1).mean())


def ranks(text: torch.Tensor, video: torch.Tensor, own: torch.Tensor | None = None, block: int = 1024) -> Ranks:
    """Ranks of each text's own video by the dot product, ``block`` texts at a time.

    Args:
        text: embeddings ``[queries, dim]``.
        video: embeddings ``[videos, dim]``.
        own: row of each text's own video ``[queries]``; None if text i belongs to video i.
        block: rows of the score matrix that are in memory at once.
    """
    own = torch.arange(len(text), device=text.device) if own is None else own
    parts = [
        ranks_of_scores(part @ video.T, targets)
        for part, targets in zip(text.split(block), own.split(block), strict=True)
    ]
    return Ranks(
        np.concatenate([np.empty(0, np.int64), *(part.better for part in parts)]),
        np.concatenate([np.empty(0, np.int64), *(part.ties for part in parts)]),
    )


def ranks_of_scores(scores: torch.Tensor, own: torch.Tensor | None = None) -> Ranks:
    """Ranks from ``scores[text, video]``; ``own`` as for ``ranks``.

    A score that is not a number makes the query rank last.
    """
    own = torch.arange(len(scores), device=scores.device) if own is None else own
    mine = scores.gather(1, own[:, None])
    # Not "scores > mine": a NaN is never greater, and a model that diverged would look perfect.
    better = (~(scores <= mine)).sum(1)
    ties = (scores == mine).sum(1) - 1
    broken = mine[:, 0].isnan()
    better[broken], ties[broken] = scores.shape[1] - 1, 0
    return Ranks(better.cpu().numpy(), ties.cpu().numpy())


def retrieval_metrics(found: Ranks | torch.Tensor) -> dict[str, float]:
    """R@1, R@5, R@10 (shares of 1), median_rank, mean_rank (from 1) and queries, from ranks or ``scores[text, video]``.

    Raises:
        ValueError: there is no query.
    """
    found = ranks_of_scores(found) if isinstance(found, torch.Tensor) else found
    if not len(found.better):
        raise ValueError("no query: a rank needs at least one")
    expected = found.expected
    return {
        **{f"R@{k}": found.recall(k) for k in RECALLS},
        "median_rank": float(np.median(expected)),
        "mean_rank": float(expected.mean()),
        "queries": len(expected),
    }


def chance(videos: int, queries: int | None = None) -> dict[str, float]:
    """What guessing among ``videos`` scores, in the form of ``retrieval_metrics``."""
    return {
        **{f"R@{k}": min(1.0, k / videos) for k in RECALLS},
        "median_rank": (videos + 1) / 2,
        "mean_rank": (videos + 1) / 2,
        "queries": videos if queries is None else queries,
    }

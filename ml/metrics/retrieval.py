"""Retrieval between texts and videos: ranks and metrics from embeddings, scores or ranks (HowTo100M section 5.1).

Ties are shared: a query whose own item ties with others gets the mean of the tied ranks, and counts for R@k by the
share of the orders in which its item is among the first k. A scorer that gives equal scores to all items therefore
scores at chance level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

RECALLS = (1, 5, 10)
TEXT_TO_VIDEO, VIDEO_TO_TEXT = "text_to_video", "video_to_text"
BOOTSTRAP_CELLS = 4_000_000
"""Numbers in a block of bootstrap samples."""


@dataclass(frozen=True)
class Ranks:
    """Rank of each query's best own item: ``better[queries]`` other items score higher, ``ties[queries]`` equally.

    ``own[queries]`` counts the own items with that best score: 1 unless a video has several captions.
    """

    better: NDArray[np.int64]
    ties: NDArray[np.int64]
    own: NDArray[np.int64]

    @property
    def expected(self) -> NDArray[np.float64]:
        """Rank from 1 of the first own item, mean over all orders of the tied items."""
        return 1 + self.better + self.ties / (self.own + 1)

    def hits(self, k: int) -> NDArray[np.float64]:
        """Probability of each query that an own item is among the first k, over all orders of the tied items."""
        missed = np.ones(len(self.better))
        for place in range(k):
            # The next tied rank goes to another item, like all tied ranks before it.
            foreign = np.clip(self.ties - place, 0, None)
            missed = np.where(place < k - self.better, missed * foreign / (foreign + self.own), missed)
        return 1 - missed

    def recall(self, k: int) -> float:
        """Mean of ``hits``."""
        return float(self.hits(k).mean())


def ranks(text: torch.Tensor, video: torch.Tensor, own: torch.Tensor | None = None, block: int = 1024) -> Ranks:
    """Ranks of each text's own video by the dot product; arguments as for ``ranks_both_ways``."""
    return ranks_both_ways(text, video, own, block)[TEXT_TO_VIDEO]


def ranks_both_ways(
    text: torch.Tensor, video: torch.Tensor, own: torch.Tensor | None = None, block: int = 1024
) -> dict[str, Ranks]:
    """Ranks of each text's own video, and of the best caption of each video that has one, by the dot product.

    Products are summed in float64 and then rounded to float32, so that equal embeddings have equal scores in every
    block. Embeddings may be memory-mapped; a block of scores is in memory at once.

    Args:
        text: embeddings ``[texts, dim]``.
        video: embeddings ``[videos, dim]``.
        own: row of each text's own video ``[texts]``; None if text i belongs to video i.
        block: texts and videos that are compared at a time.

    Returns:
        Ranks by direction. From video to text the other captions of the video are not counted as competitors.
    """
    if "mps" in (text.device.type, video.device.type):  # MPS has no float64
        text, video = text.cpu(), video.cpu()
    own = torch.arange(len(text), device=text.device) if own is None else own.to(text.device)
    mine = torch.cat(
        [text.new_empty(0, dtype=torch.float32)]
        + [
            (part.double() * video[rows].double()).sum(1).float()
            for part, rows in zip(text.split(block), own.split(block), strict=True)
        ]
    )
    best = mine.new_full((len(video),), -torch.inf).scatter_reduce(0, own, mine, "amax")
    best[own[mine.isnan()]] = torch.nan
    of_text, of_video = (torch.zeros(2, n, dtype=torch.int64, device=text.device) for n in (len(text), len(video)))
    for first in range(0, len(text), block):
        rows = slice(first, first + block)
        part = text[rows].double()
        for start in range(0, len(video), block):
            columns = slice(start, start + block)
            scores = (part @ video[columns].double().T).float()
            of_text[:, rows] += _better_and_equal(scores, mine[rows, None], 1)
            of_video[:, columns] += _better_and_equal(scores, best[None, columns], 0)
    captions = torch.bincount(own, minlength=len(video))
    alike = torch.bincount(own, mine == best[own], minlength=len(video)).long()
    captioned = captions > 0
    return {
        TEXT_TO_VIDEO: _ranks(of_text, torch.ones_like(own), mine.isnan(), len(video) - torch.ones_like(own)),
        VIDEO_TO_TEXT: _ranks(
            of_video[:, captioned], alike[captioned], best[captioned].isnan(), (len(text) - captions)[captioned]
        ),
    }


def ranks_of_scores(scores: torch.Tensor, own: torch.Tensor | None = None) -> Ranks:
    """Ranks from ``scores[text, video]``; ``own`` as for ``ranks_both_ways``.

    A query with a score that is NaN ranks last.
    """
    own = torch.arange(len(scores), device=scores.device) if own is None else own
    mine = scores.gather(1, own[:, None])
    one = torch.ones_like(own)
    return _ranks(_better_and_equal(scores, mine, 1), one, mine[:, 0].isnan(), scores.shape[1] - one)


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


def bootstrap_intervals(found: Ranks, seed: int, samples: int = 1000, level: float = 0.95) -> dict[str, float]:
    """Percentile intervals of ``retrieval_metrics`` over samples of the queries with replacement.

    Returns:
        ``<metric>_low`` and ``<metric>_high`` of each metric; the same seed gives the same.

    Raises:
        ValueError: there is no query.
    """
    queries = len(found.better)
    if not queries:
        raise ValueError("no query: an interval needs at least one")
    generator = np.random.default_rng(seed)
    columns = {f"R@{k}": found.hits(k) for k in RECALLS} | {"mean_rank": found.expected}
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in (*columns, "median_rank")}
    size = max(1, BOOTSTRAP_CELLS // queries)
    for first in range(0, samples, size):
        rows = generator.integers(queries, size=(min(size, samples - first), queries))
        for name, values in columns.items():
            drawn[name].append(values[rows].mean(1))
        drawn["median_rank"].append(np.median(found.expected[rows], 1))
    tails = ((1 - level) / 2, (1 + level) / 2)
    return {
        f"{name}_{end}": float(np.quantile(np.concatenate(values), tail))
        for name, values in drawn.items()
        for end, tail in zip(("low", "high"), tails, strict=True)
    }


def chance(candidates: int, queries: int | None = None, own: NDArray[np.int64] | None = None) -> dict[str, float]:
    """Expected metrics of random guesses among ``candidates``, in the form of ``retrieval_metrics``.

    Args:
        queries: number of queries; None for one per candidate.
        own: number of right candidates, ``[queries]``; None for one each.
    """
    queries = candidates if queries is None else queries
    own = np.ones(queries, np.int64) if own is None else own
    return retrieval_metrics(Ranks(np.zeros_like(own), candidates - own, own))


def _better_and_equal(scores: torch.Tensor, mine: torch.Tensor, axis: int) -> torch.Tensor:
    """Numbers of scores above ``mine`` and equal to it along an axis: ``[2, queries]``."""
    # Not "scores > mine": a NaN is never greater, so a diverged model would get perfect ranks.
    return torch.stack([(~(scores <= mine)).sum(axis), (scores == mine).sum(axis)])


def _ranks(counts: torch.Tensor, own: torch.Tensor, invalid: torch.Tensor, foreign: torch.Tensor) -> Ranks:
    """Ranks from ``counts[2, queries]``, where the equal items include own ones; queries with NaN rank last."""
    better = torch.where(invalid, foreign, counts[0])
    ties = torch.where(invalid, 0, counts[1] - own)
    own = torch.where(invalid, 1, own)
    return Ranks(better.cpu().numpy(), ties.cpu().numpy(), own.cpu().numpy())

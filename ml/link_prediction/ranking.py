"""How early the target of each query is in the ranking of all products: hit rate and mean reciprocal rank."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.link_prediction.baskets import Baskets, Pairs
from ml.metrics.retrieval import Ranks

BLOCK = 256
"""Queries whose scores are in memory at a time."""

Scores = Callable[[NDArray[np.int64]], NDArray[np.floating]]
"""From query products ``[n]`` to the scores of all products, ``[n, products]``."""


def target_ranks(scores: Scores, pairs: Pairs) -> Ranks:
    """The rank of each pair's target among all products but the query; ties are shared."""
    better, ties = [], []
    for start in range(0, len(pairs), BLOCK):
        query, target = pairs[start : start + BLOCK].T
        of_all = scores(query)
        rows = np.arange(len(query))
        own = of_all[rows, target][:, None]
        itself = of_all[rows, query][:, None]
        better.append((of_all > own).sum(1) - (itself > own)[:, 0])
        ties.append((of_all == own).sum(1) - 1 - (itself == own)[:, 0])
    return Ranks(np.concatenate(better), np.concatenate(ties), np.ones(len(pairs), np.int64))


def metrics(ranks: Ranks, which: NDArray[np.bool_]) -> dict[str, float]:
    """Hit rate at 10 and 50, and mean reciprocal rank, of the pairs that ``which[pairs]`` marks."""
    part = Ranks(ranks.better[which], ranks.ties[which], ranks.own[which])
    return {
        "hit_rate_at_10": part.recall(10),
        "hit_rate_at_50": part.recall(50),
        "mrr": float((1 / part.expected).mean()),
    }


def popularity(history: Baskets) -> Scores:
    """Every query gets the products by their number of baskets."""
    counts = history.counts.astype(np.float32)
    return lambda query: np.broadcast_to(counts, (len(query), len(counts)))


def item_cosine(history: Baskets) -> Scores:
    """Cosine of the columns of the basket matrix: baskets with both products / the root of the product of counts."""
    norms = np.sqrt(np.maximum(history.counts, 1)).astype(np.float32)
    return lambda query: history.together(query) / norms[query][:, None] / norms[None, :]

"""Retrieval metrics against brute force over all orders of tied videos."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.metrics.retrieval import chance, ranks, ranks_of_scores, retrieval_metrics


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_metrics_equal_the_mean_over_all_orders(scores: list[list[int]]) -> None:
    n = len(scores)
    recall = {1: 0.0, 5: 0.0, 10: 0.0}
    expected_ranks = []
    for query, row in enumerate(scores):
        places = []
        for order in permutations(range(n)):
            listed = sorted(order, key=lambda video: -row[video])  # stable: each order breaks ties its own way
            places.append(listed.index(query) + 1)
        expected_ranks.append(np.mean(places))
        for k in recall:
            recall[k] += np.mean([place <= k for place in places]) / n
    metrics = retrieval_metrics(torch.tensor(scores, dtype=torch.float32))
    assert metrics == pytest.approx(
        {
            **{f"R@{k}": value for k, value in recall.items()},
            "median_rank": np.median(expected_ranks),
            "mean_rank": np.mean(expected_ranks),
            "queries": n,
        }
    )


@pytest.mark.parametrize("videos", [7, 100, 101])
def test_a_constant_scorer_scores_chance(videos: int) -> None:
    assert retrieval_metrics(torch.ones(videos, videos)) == pytest.approx(chance(videos))


def test_blocks_do_not_matter_and_captions_may_share_a_video() -> None:
    torch.manual_seed(0)
    text, video = torch.randn(50, 4), torch.randn(20, 4)
    own = torch.randint(20, (50,))
    whole = ranks_of_scores(text @ video.T, own)
    for block in (1, 7, 1000):
        parts = ranks(text, video, own, block)
        assert np.array_equal(parts.better, whole.better) and np.array_equal(parts.ties, whole.ties)


def test_a_model_that_diverged_ranks_last() -> None:
    scores = torch.full((4, 4), float("nan"))
    assert retrieval_metrics(scores) == {
        "R@1": 0, "R@5": 1, "R@10": 1, "median_rank": 4, "mean_rank": 4, "queries": 4,
    }  # fmt: skip
    scores = torch.eye(4)
    scores[0, 1] = float("nan")
    assert ranks_of_scores(scores).better.tolist() == [1, 0, 0, 0]


def test_no_query_is_an_error() -> None:
    with pytest.raises(ValueError, match="no query"):
        retrieval_metrics(torch.empty(0, 3))

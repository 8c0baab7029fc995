"""Retrieval metrics against brute force over all orders of tied videos."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.metrics.retrieval import (
    TEXT_TO_VIDEO,
    VIDEO_TO_TEXT,
    Ranks,
    bootstrap_intervals,
    chance,
    ranks,
    ranks_both_ways,
    ranks_of_scores,
    retrieval_metrics,
)


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


def test_a_diverged_model_ranks_last() -> None:
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


def recalls_by_listing(scores: list[float], own: set[int]) -> tuple[list[float], float]:
    """R@1, R@2 and the rank of the first own item of one query, the mean over all orders of the items."""
    places = []
    for order in permutations(range(len(scores))):
        listed = sorted(order, key=lambda item: -scores[item])
        places.append(1 + next(place for place, item in enumerate(listed) if item in own))
    return [float(np.mean([place <= k for place in places])) for k in (1, 2)], float(np.mean(places))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_both_directions_equal_the_mean_over_all_orders(data: st.DataObject) -> None:
    texts, videos = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    draw = st.lists(st.integers(-1, 1), min_size=2, max_size=2)
    text, video = (
        torch.tensor([data.draw(draw) for _ in range(n)], dtype=torch.float32).reshape(n, 2) for n in (texts, videos)
    )
    own = [data.draw(st.integers(0, videos - 1)) for _ in range(texts)]
    scores = (text @ video.T).tolist()
    found = ranks_both_ways(text, video, torch.tensor(own), block=data.draw(st.integers(1, 6)))
    queries = {
        TEXT_TO_VIDEO: [(scores[caption], {own[caption]}) for caption in range(texts)],
        VIDEO_TO_TEXT: [
            ([row[each] for row in scores], {caption for caption in range(texts) if own[caption] == each})
            for each in sorted(set(own))
        ],
    }
    for direction, listed in queries.items():
        expected = [recalls_by_listing(*query) for query in listed]
        assert [found[direction].recall(k) for k in (1, 2)] == pytest.approx(np.mean([e[0] for e in expected], 0))
        assert found[direction].expected == pytest.approx([e[1] for e in expected])


def test_equal_embeddings_tie_in_any_block() -> None:
    torch.manual_seed(0)
    few = torch.nn.functional.normalize(torch.randn(3, 300), dim=1)
    video = few.repeat(101, 1)
    for found in ranks_both_ways(video, video, block=64).values():
        assert set(found.better) == {0} and set(found.ties) == {100}
    constant = ranks_both_ways(few[:1].repeat(40, 1), few[1:2].repeat(40, 1), block=7)
    assert all(retrieval_metrics(found) == pytest.approx(chance(40)) for found in constant.values())


def test_several_captions_of_a_video_raise_chance() -> None:
    own = torch.arange(30) // 3
    found = ranks_both_ways(torch.ones(30, 4), torch.ones(10, 4), own)[VIDEO_TO_TEXT]
    metrics = retrieval_metrics(found)
    assert metrics == pytest.approx(chance(30, own=np.full(10, 3), queries=10))
    assert metrics["R@1"] == pytest.approx(3 / 30)


def test_a_caption_with_nan_ranks_last_in_both_directions() -> None:
    text = torch.eye(3)
    text[1, 0] = float("nan")
    found = ranks_both_ways(text, torch.eye(3))
    assert found[TEXT_TO_VIDEO].better.tolist() == [0, 2, 0]
    assert found[VIDEO_TO_TEXT].better.tolist() == [1, 2, 1]  # a NaN is taken to be better than anything


def test_bootstrap_intervals_have_their_nominal_coverage() -> None:
    generator = np.random.default_rng(0)
    truth, covered = 0.3, []
    for seed in range(100):
        better = np.where(generator.random(200) < truth, 0, 50)
        found = Ranks(better, np.zeros(200, np.int64), np.ones(200, np.int64))
        interval = bootstrap_intervals(found, seed, samples=200, level=0.8)
        assert interval["R@1_low"] <= found.recall(1) <= interval["R@1_high"]
        covered.append(interval["R@1_low"] <= truth <= interval["R@1_high"])
    assert 0.7 <= np.mean(covered) <= 0.9
    assert interval == bootstrap_intervals(found, seed, samples=200, level=0.8)
    assert interval["mean_rank_low"] < found.expected.mean() < interval["mean_rank_high"]

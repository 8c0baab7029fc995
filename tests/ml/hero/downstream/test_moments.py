"""Moment retrieval: losses against plain loops, labels, and the index against an exhaustive search."""

import numpy as np
import pytest
import torch

from ml.hero.downstream.moments import MomentIndex, moment_labels
from ml.hero.moment_head import MomentHead, span_losses
from ml.hero.ranking import LossSettings, QueryBatch, VideoBatch, ranking_losses, video_scores
from ml.metrics.moments import Search
from ml.metrics.retrieval import ranks_of_scores, retrieval_metrics

HIDDEN = 8


def batch(seed, queries=5, videos=3, frames=7):
    generator = torch.Generator().manual_seed(seed)
    texts = torch.randn(queries, HIDDEN, generator=generator, dtype=torch.float64)
    rows = torch.randn(videos, frames, HIDDEN, generator=generator, dtype=torch.float64)
    counts = torch.randint(1, frames + 1, (videos,), generator=generator)
    own = torch.randint(videos, (queries,), generator=generator)
    return texts, rows, torch.arange(frames) < counts[:, None], own


def query_and_video_batches(texts, rows, mask, own):
    """Queries and videos that are all different."""
    items = torch.arange(len(rows))
    return QueryBatch(texts, own, own, torch.arange(len(texts))), VideoBatch(rows[mask], mask.sum(1), items, items)


@pytest.mark.parametrize("step", [0, 10])
@pytest.mark.parametrize("seed", range(3))
def test_ranking_losses_are_the_formula(seed, step):
    settings = LossSettings(hard_from=10, pool=1)
    texts, rows, mask, own = batch(seed)
    scores = video_scores(texts, rows[mask], mask.sum(1))
    expected = np.full(scores.shape, -np.inf)
    for q, text in enumerate(texts.numpy()):
        for v, frames in enumerate(rows.numpy()):
            cosines = frames @ text / np.linalg.norm(frames, axis=1) / np.linalg.norm(text)
            expected[q, v] = cosines[mask[v].numpy()].max()
    np.testing.assert_allclose(scores, expected)

    def mean(rows_of_negatives):
        terms = []
        for positive, negatives in rows_of_negatives:
            for place, negative in enumerate(sorted(negatives, reverse=True)):
                weight = 1 if step < 10 else 10 if place < 1 else 0.1
                terms.append(weight * max(0, 0.1 + negative - positive))
        return sum(terms) / max(1, len(terms))

    wrong_videos = mean((expected[q, o], [expected[q, v] for v in range(3) if v != o]) for q, o in enumerate(own))
    wrong_queries = mean((expected[q, o], [expected[p, o] for p in range(5) if own[p] != o]) for q, o in enumerate(own))
    found = ranking_losses(*query_and_video_batches(texts, rows, mask, own), settings, step)
    np.testing.assert_allclose([float(loss) for loss in found], [wrong_videos, wrong_queries])


def test_a_batch_of_one_video_has_no_negatives():
    texts, rows, mask, _ = batch(0, videos=1)
    own = torch.zeros(5, dtype=torch.int64)
    losses = ranking_losses(*query_and_video_batches(texts, rows, mask, own), LossSettings(), 0)
    assert [float(loss) for loss in losses] == [0, 0]


def test_labels_are_within_the_video_and_the_last_frame_follows_the_first():
    intervals = torch.tensor([[3.1, 6.0], [0.0, 1.0], [10.0, 90.0], [99.0, 99.5]])
    first, last = moment_labels(intervals, torch.tensor([10, 10, 10, 10]), 1.5)
    assert first.tolist() == [2, 0, 6, 9]
    assert last.tolist() == [3, 1, 9, 9]


def test_span_losses_leave_padding_out():
    texts, rows, mask, own = batch(1)
    start, end = MomentHead(HIDDEN).double()(texts, rows[own], mask[own])
    zero = torch.zeros(5, dtype=torch.int64)
    expected = 0.0
    for logits in (start, end):
        for row, allowed in zip(logits.detach().numpy(), mask[own].numpy(), strict=True):
            expected += (np.log(np.exp(row[allowed]).sum()) - row[0]) / 5
    assert float(span_losses(start, end, zero, zero).mean().detach()) == pytest.approx(expected)


def test_the_index_finds_what_an_exhaustive_search_finds():
    torch.manual_seed(0)
    head, search = MomentHead(HIDDEN), Search(shortest=1, longest=4, keep=12, before_suppression=12)
    videos = [torch.randn(frames, HIDDEN) for frames in (5, 1, 8, 3)]
    queries = torch.randn(3, HIDDEN)
    index = MomentIndex(head, videos, search)
    for query, found in zip(queries, index.find(queries), strict=True):
        expected = []
        for number, frames in enumerate(videos):
            mask = torch.ones(1, len(frames), dtype=torch.bool)
            score = float(video_scores(query[None], frames, mask.sum(1)))
            start, end = (each.softmax(1)[0].tolist() for each in head(query[None], frames[None], mask))
            for first in range(len(frames)):
                for last in range(first + 1, min(first + 4, len(frames))):
                    value = start[first] * end[last] * np.exp(20 * score)
                    expected.append((value, number, 1.5 * first, 1.5 * (last + 1)))
        expected = sorted(expected, reverse=True)[:12]
        assert [moment[:3] for moment in found] == [each[1:] for each in expected]
        np.testing.assert_allclose([moment.score for moment in found], [each[0] for each in expected], rtol=1e-4)
    assert {moment.video for moment in index.find_within(queries, [2, 2, 2])[0]} == {2}
    assert [m.video for m in index.find_videos(queries)[0]] == index.scores(queries)[0].argsort(
        descending=True
    ).tolist()


def test_minimising_the_losses_makes_each_query_find_its_moment():
    torch.manual_seed(0)
    frames, own = torch.randn(6, 10, HIDDEN), torch.arange(6)
    mask = torch.ones(6, 10, dtype=torch.bool)
    first = torch.tensor([0, 1, 2, 3, 4, 5])
    queries = torch.nn.Parameter(torch.randn(6, HIDDEN))
    head = MomentHead(HIDDEN)
    optimiser = torch.optim.Adam([queries, *head.parameters()], 0.05)
    for step in range(150):
        optimiser.zero_grad()
        loss = sum(ranking_losses(*query_and_video_batches(queries, frames, mask, own), LossSettings(pool=80), step))
        (10 * loss + span_losses(*head(queries, frames, mask), first, first + 2).mean()).backward()
        optimiser.step()
    assert retrieval_metrics(ranks_of_scores(video_scores(queries, frames[mask], mask.sum(1)), own))["R@1"] == 1
    best = [moments[0] for moments in MomentIndex(head, list(frames), Search()).find(queries.detach())]
    assert [(moment.video, moment.start_s) for moment in best] == [(n, 1.5 * n) for n in range(6)]


def test_a_query_alone_finds_the_moments_of_a_block_of_queries():
    """One query multiplies copies of the frames of the best videos, a block of queries all frames."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(4, 12, (60,), generator=generator).tolist()
    embeddings = torch.randn(sum(counts), HIDDEN, generator=generator).split(counts)
    index = MomentIndex(MomentHead(HIDDEN), embeddings, Search(videos=5))
    queries = torch.randn(16, HIDDEN, generator=generator)
    alone = [index.find(query[None])[0] for query in queries]
    for one, other in zip(alone, index.find(queries), strict=True):
        assert [moment[:3] for moment in one] == [moment[:3] for moment in other]
        np.testing.assert_allclose([moment.score for moment in one], [moment.score for moment in other], rtol=1e-5)

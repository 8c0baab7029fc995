"""The joint embedding against plain float64 loops, its pairs by hand, and that it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ml.joint_embedding.loss import max_margin_ranking_loss
from ml.joint_embedding.model import GatedEmbedding, JointEmbedding
from ml.joint_embedding.sampling import InMemory, Stream, VideoPairs, grow, sample_pairs, spread_pairs, video_pairs
from ml.joint_embedding.train import Config, evaluate, train
from ml.metrics.retrieval import chance
from ml.text.word_vectors import WordVectors


def gated(x: list[float], unit: GatedEmbedding) -> list[float]:
    """Section 4.2 as written, one number at a time."""

    def linear(x: list[float], layer: torch.nn.Linear) -> list[float]:
        return [
            sum(w * value for w, value in zip(row, x, strict=True)) + b
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]

    y = linear(x, unit.project)
    z = [value / (1 + math.exp(-gate)) for value, gate in zip(y, linear(y, unit.gate), strict=True)]
    length = math.sqrt(sum(value**2 for value in z))
    return [value / length for value in z]


@pytest.mark.parametrize("mask_padding", [False, True])
def test_scores_equal_the_plain_formula(mask_padding: bool) -> None:
    torch.manual_seed(0)
    model = JointEmbedding(5, 3, 4, sentence_dim=6, mask_padding=mask_padding).double()
    video, words = torch.randn(4, 5, dtype=torch.float64), torch.randn(3, 4, 3, dtype=torch.float64)
    words[1, 2:] = 0
    scores = model(video, words)
    assert scores.shape == (3, 4)
    layer = model.sentence.word
    for caption in range(3):
        slots = [slot for slot in words[caption].tolist() if any(slot) or not mask_padding]
        hidden = [
            [max(0.0, sum(w * x for w, x in zip(row, slot, strict=True)) + b) for slot in slots]
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]
        text = gated([max(unit) for unit in hidden], model.text)
        for clip in range(4):
            expected = sum(a * b for a, b in zip(text, gated(video[clip].tolist(), model.video), strict=True))
            assert scores[caption, clip].item() == pytest.approx(expected, abs=1e-9)


def test_parameter_count_of_the_paper() -> None:
    with torch.device("meta"):
        model = JointEmbedding()
    units = sum(each.numel() for unit in (model.video, model.text) for each in unit.parameters())
    assert units == 67_125_248
    assert units + sum(each.numel() for each in model.sentence.parameters()) == 68_358_144


@pytest.mark.parametrize(("videos", "pairs", "share"), [(3, 4, 0.5), (2, 3, 0.8), (5, 1, 0.5), (1, 4, 0.5)])
def test_loss_and_gradient_equal_the_plain_formula(videos: int, pairs: int, share: float) -> None:
    torch.manual_seed(videos)
    n, margin = videos * pairs, 0.1
    video_of_pair = torch.arange(videos).repeat_interleave(pairs)
    x = (torch.randn(n, n, dtype=torch.float64) * 0.1).requires_grad_()
    loss = max_margin_ranking_loss(x, video_of_pair, margin, share)
    loss.backward()
    total, gradient = 0.0, np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            same = video_of_pair[i] == video_of_pair[j]
            m = 1.0
            if videos > 1 and pairs > 1:
                m = videos * share if same else videos * (1 - share) / (videos - 1)
            for own in (i, j):
                cost = margin + x[i, j].item() - x[own, own].item()
                if cost > 0:
                    total += m * cost / n**2
                    gradient[i, j] += m / n**2
                    gradient[own, own] -= m / n**2
    assert loss.item() == pytest.approx(total, abs=1e-10)
    assert x.grad is not None
    assert np.allclose(x.grad.numpy(), gradient, atol=1e-12)


def test_intra_video_pairs_hold_their_share_of_the_weight() -> None:
    # With scores of 0 every term is the margin, so the loss is the sum of the weights.
    videos, pairs, margin = 32, 64, 0.1
    video_of_pair = torch.arange(videos).repeat_interleave(pairs)
    loss = max_margin_ranking_loss(torch.zeros(2048, 2048), video_of_pair, margin, 0.5)
    intra = videos * pairs**2 * (videos * 0.5) / 2048**2
    assert intra == pytest.approx(0.5)
    assert loss.item() == pytest.approx(2 * margin * (intra + 0.5), rel=1e-5)


def test_short_captions_grow_by_the_neighbour_that_makes_the_shorter_span() -> None:
    start, end = np.array([0.0, 2, 4, 9, 10]), np.array([2.0, 4, 6, 10, 11])
    counts = [1, 1, 1, 1, 1]
    assert grow(2, start, end, counts, 5.0, 0) == [2, 1, 0]  # 4 s back against 6 s ahead, then 6 s against 8 s
    assert grow(3, start, end, counts, 2.0, 0) == [3, 4]
    assert grow(0, start, end, counts, 5.0, 0) == [0, 1, 2]  # only one neighbour at the border
    assert grow(1, start, end, counts, 3.0, 0) == [1, 0]  # equal spans: the previous one
    assert grow(1, start, end, counts, 99.0, 0) == [1, 0, 2, 3, 4]  # the whole video is not enough
    assert grow(2, start, end, counts, 0.0, 0) == [2]
    assert grow(2, start, end, [1, 3, 1, 2, 1], 0.0, 3) == [2, 3]  # without a time, fewer words


def test_pairs_that_teach_nothing_are_left_out() -> None:
    features = np.eye(4, dtype=np.float16)
    video = video_pairs(
        [Stream(features, 1.0)],
        np.array([0.0, 1, 2, 7]),
        np.array([1.0, 2, 3, 8]),
        [[1], [], [2, 3], [4]],
        min_time_s=0.5,
        max_words=2,
    )
    assert video.start_s.tolist() == [0, 2]  # the second has no known word, the fourth no features
    assert video.words.tolist() == [[1, 0], [2, 3]]
    # Rows int(s·r) … int(e·r) inclusive.
    assert video.vectors(np.array([0]))[0].tolist() == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0])
    vectors, words, video_of_pair = sample_pairs([video, video], 3, np.random.default_rng(0))
    assert (vectors.shape, words.shape, video_of_pair.tolist()) == ((6, 4), (6, 2), [0, 0, 0, 1, 1, 1])


def toy(videos: int, rng: np.random.Generator, concepts: np.ndarray) -> InMemory:
    """Videos in which a second shows one of the concepts and its caption says its word among noise words."""

    def video() -> VideoPairs:
        shown = rng.integers(len(concepts), size=12)
        features = (concepts[shown] + 0.3 * rng.standard_normal((12, concepts.shape[1]))).astype(np.float16)
        words = [[1 + concept, int(rng.integers(13, 17))] for concept in shown]
        seconds = np.arange(12.0)
        return video_pairs([Stream(features, 1.0)], seconds, seconds + 0.9, words, min_time_s=0)

    return InMemory([video() for _ in range(videos)])


def test_it_learns_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    concepts = rng.standard_normal((12, 16))
    words = WordVectors([f"w{index}" for index in range(16)], rng.standard_normal((16, 8)).astype(np.float32))
    learning, held_out = toy(40, rng, concepts), toy(2, rng, concepts)
    config = Config(embedding_dim=32, epochs=8, videos_per_batch=8, pairs_per_video=8, learning_rate=3e-3)
    seen: list[dict[str, float]] = []
    model, history = train(learning, held_out, words, config, progress=seen.append)
    assert history == seen and [entry["epoch"] for entry in history] == list(range(1, 9))
    assert history[-1]["loss"] < history[0]["loss"]
    metrics = evaluate(model, *spread_pairs(held_out, 100), torch.from_numpy(words.padded))
    assert metrics["queries"] == 24
    assert metrics["R@5"] > 3 * chance(24)["R@5"]
    assert metrics["R@10"] == max(entry["validation_R@10"] for entry in history)
    again, _ = train(learning, held_out, words, config)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        train(InMemory([]), None, WordVectors([], np.empty((0, 3), np.float32)), Config())

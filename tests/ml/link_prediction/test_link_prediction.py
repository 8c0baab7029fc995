"""Pairs, ranks, baselines and the graph embedding, compared with what is written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from ml.link_prediction.baskets import Baskets
from ml.link_prediction.model import (
    LinkConfig,
    LinkPredictor,
    SparseProduct,
    batch_loss,
    normalized,
    predictor_scores,
    train_link_predictor,
)
from ml.link_prediction.ranking import item_cosine, metrics, popularity, target_ranks


def baskets(*held: tuple[int, ...], products: int = 6) -> Baskets:
    lines = [(basket, product) for basket, own in enumerate(held) for product in own]
    basket, product = np.array(lines).T
    return Baskets.of(basket, product, products)


def test_pairs_are_two_products_of_one_basket_and_each_is_drawn() -> None:
    held = baskets((0, 1), (2,), (0, 3, 4), (0, 0, 1))
    pairs = held.drawn_pairs(4000, np.random.default_rng(0))
    drawn, counts = np.unique(pairs, axis=0, return_counts=True)
    share = {tuple(pair): count / 4000 for pair, count in zip(drawn.tolist(), counts, strict=True)}
    # 7 lines in baskets of two products or more: each is as likely, and so is each partner.
    expected = {(0, 1): 2 / 7, (1, 0): 2 / 7} | dict.fromkeys([(0, 3), (0, 4), (3, 0), (3, 4), (4, 0), (4, 3)], 1 / 14)
    assert share == pytest.approx(expected, abs=0.03)
    with pytest.raises(ValueError, match="no basket has two different products"):
        baskets((1,), (2, 2)).drawn_pairs(1, np.random.default_rng(0))


def test_baselines_and_ranks_are_those_written_out() -> None:
    rng = np.random.default_rng(1)
    held = Baskets.of(rng.integers(0, 40, 200), rng.integers(0, 12, 200), 12)
    dense = held.matrix.toarray()
    pairs = held.drawn_pairs(300, rng)
    together = dense.T @ dense
    count = np.diag(together)
    for scores, matrix in (
        (popularity(held), np.tile(count, (12, 1))),
        (item_cosine(held), together / np.sqrt(np.outer(count, count))),
    ):
        np.testing.assert_allclose(scores(np.arange(12)), matrix, rtol=1e-6)
        found = target_ranks(scores, pairs)
        exact = scores(np.arange(12))
        reciprocal, hits = [], []
        for query, target in pairs:
            others = [exact[query, item] for item in range(12) if item not in (query, target)]
            better = sum(other > exact[query, target] for other in others)
            ties = sum(other == exact[query, target] for other in others)
            reciprocal.append(1 / (1 + better + ties / 2))
            hits.append(min(max((10 - better) / (ties + 1), 0), 1))
        values = metrics(found, np.ones(len(pairs), bool))
        assert values["mrr"] == pytest.approx(np.mean(reciprocal))
        assert values["hit_rate_at_10"] == pytest.approx(np.mean(hits))


def test_embeddings_are_the_mean_over_steps_of_the_graph() -> None:
    edges = sparse.csr_array(np.array([[0, 2, 0], [2, 0, 1], [0, 1, 0]], np.float32))
    degrees = np.array([2, 3, 1])
    matrix = edges.toarray() / np.sqrt(np.outer(degrees, degrees))
    np.testing.assert_allclose(normalized(edges).toarray(), matrix, rtol=1e-6)
    features = sparse.csr_array(np.random.default_rng(0).random((3, 4), np.float32))
    model = LinkPredictor(3, 4, LinkConfig(dim=5, hops=2))
    start = (torch.from_numpy(features.toarray()) @ model.of_features + model.of_product).detach().numpy()
    expected = (start + matrix @ start + matrix @ matrix @ start) / 3
    found = model(SparseProduct(features, "cpu"), SparseProduct(normalized(edges), "cpu"))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)
    (found.square().sum()).backward()
    step = np.zeros((4, 5), np.float32)
    step[2, 3] = 1e-2
    own = (features.toarray(), model.of_features.detach().numpy(), model.of_product.detach().numpy())

    def squares(sign: int) -> float:
        moved = own[0] @ (own[1] + sign * step) + own[2]
        return float(np.square((moved + matrix @ moved + matrix @ matrix @ moved) / 3).sum())

    assert model.of_features.grad is not None
    assert float(model.of_features.grad[2, 3]) == pytest.approx((squares(1) - squares(-1)) / 2e-2, rel=1e-3)


def test_an_own_target_is_never_a_negative() -> None:
    embeddings = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    query, target = torch.tensor([0, 0, 1]), torch.tensor([1, 2, 0])
    logits = embeddings[query] @ embeddings[target].T
    # Row 0 may not use target 0 (the query), row 1 neither; row 2 may not use target 1.
    rows = [logits[0, [0, 1]], logits[1, [1, 0]], logits[2, [2, 1]]]
    expected = torch.stack([torch.logsumexp(row, 0) - row[0] for row in rows]).mean()
    assert float(batch_loss(embeddings, query, target)) == pytest.approx(float(expected))


def test_the_embedding_finds_pairs_that_no_basket_had() -> None:
    """Products of one kind are bought together; the graph and the features say the kind, popularity does not."""
    rng = np.random.default_rng(0)
    kinds, each = 4, 12
    kind = np.repeat(np.arange(kinds), each)

    def drawn(count: int) -> Baskets:
        lines = [(b, p) for b in range(count) for p in rng.choice(np.flatnonzero(kind == b % kinds), 3, replace=False)]
        basket, product = np.array(lines).T
        return Baskets.of(basket, product, kinds * each)

    history, following, test = drawn(40), drawn(80), drawn(200)
    features = sparse.csr_array(np.eye(kinds, dtype=np.float32)[kind])
    together = sparse.csr_array(history.matrix.T @ history.matrix)
    together.setdiag(0)
    together.eliminate_zeros()
    config = LinkConfig(dim=8, steps=60, pairs_per_batch=256, learning_rate=0.05)
    model = train_link_predictor(features, together, following, config)
    pairs = test.drawn_pairs(500, rng)
    new = np.asarray(history.by_product[pairs[:, 0]].multiply(history.by_product[pairs[:, 1]]).sum(axis=1)) == 0
    assert new.sum() > 100
    scores = {
        "graph": predictor_scores(model, features, together, history),
        "cosine": item_cosine(history),
        "popular": popularity(history),
    }
    found = {name: metrics(target_ranks(each, pairs), new)["hit_rate_at_10"] for name, each in scores.items()}
    assert found["graph"] > 0.8 > found["cosine"] and found["graph"] > 2 * found["popular"]
    again = train_link_predictor(features, together, following, config)
    assert torch.equal(model.of_product, again.of_product)

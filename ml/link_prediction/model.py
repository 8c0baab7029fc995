"""Link prediction by embeddings that are smoothed over a graph, as in LightGCN (arXiv 2002.02126).

A product begins with a linear map of its features plus a vector of its own. Its embedding is the mean of that and of
what one and two steps over the symmetrically normalised graph make of it. The softmax over all products of
``z_i · z_j + log popularity_j`` is the probability that a basket with i also has j. In training, the other targets of a
batch stand for all products: they occur in proportion to their popularity, so that this term cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from ml.link_prediction.baskets import Baskets
from ml.link_prediction.ranking import Scores
from ml.sparse import csr_tensor


@dataclass(frozen=True)
class LinkConfig:
    """Size and schedule: ``steps`` batches of ``pairs_per_batch`` pairs."""

    dim: int = 64
    hops: int = 2
    steps: int = 400
    pairs_per_batch: int = 2048
    learning_rate: float = 0.01
    weight_decay: float = 1e-6
    seed: int = 0


class LinkPredictor(nn.Module):
    """Embeddings ``z[products, dim]`` from ``features[products, F]`` and a graph."""

    def __init__(self, products: int, features: int, config: LinkConfig) -> None:
        super().__init__()
        self.hops = config.hops
        self.of_features = nn.Parameter(torch.randn(features, config.dim) / max(features, 1) ** 0.5)
        self.of_product = nn.Parameter(torch.randn(products, config.dim) * 0.1)

    def forward(self, features: SparseProduct, graph: SparseProduct) -> Tensor:
        hidden = features(self.of_features) + self.of_product
        total = hidden
        for _ in range(self.hops):
            hidden = graph(hidden)
            total = total + hidden
        return total / (self.hops + 1)


class SparseProduct:
    """A sparse matrix as a linear map with gradients: ``product(X)`` is ``matrix @ X``."""

    def __init__(self, matrix: sparse.csr_array, device: torch.device | str) -> None:
        self.matrix = csr_tensor(matrix, device=device)
        self.transposed = csr_tensor(sparse.csr_array(matrix.T), device=device)

    def __call__(self, dense: Tensor) -> Tensor:
        return _Multiply.apply(self, dense)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, product: SparseProduct, dense: Tensor) -> Tensor:
        ctx.product = product
        return product.matrix @ dense

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.product.transposed @ gradients[0]


def normalized(adjacency: sparse.csr_array) -> sparse.csr_array:
    """D^-1/2 A D^-1/2; a product without edges has an empty row."""
    degrees = np.asarray(adjacency.sum(axis=1, dtype=np.float64))
    scale = np.divide(1, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)
    diagonal = sparse.dia_array((scale[None], [0]), shape=adjacency.shape)
    return sparse.csr_array((diagonal @ adjacency @ diagonal).astype(np.float32))


def train_link_predictor(
    features: sparse.csr_array,
    graph: sparse.csr_array,
    following: Baskets,
    config: LinkConfig,
    device: torch.device | str = "cpu",
    progress: Callable[[int, float], None] | None = None,
) -> LinkPredictor:
    """Learn the pairs of the baskets that follow on the time of the graph.

    Args:
        features: ``[products, F]``.
        graph: adjacency ``[products, products]`` of an earlier time, symmetric.
        following: baskets of the later time, from which pairs are drawn.
        progress: called with each step and its loss.
    """
    torch.manual_seed(config.seed)
    generator = np.random.default_rng(config.seed)
    model = LinkPredictor(*features.shape, config).to(device)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    inputs, edges = SparseProduct(features, device), SparseProduct(normalized(graph), device)
    for step in range(config.steps):
        query, target = torch.from_numpy(following.drawn_pairs(config.pairs_per_batch, generator)).to(device).T
        embeddings = model(inputs, edges)
        loss = batch_loss(embeddings, query, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if progress:
            progress(step, float(loss.detach()))
    return model.eval()


def batch_loss(embeddings: Tensor, query: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of each query's own target among the targets of the batch.

    Targets that are the query itself or the own target once more are no negatives.
    """
    logits = embeddings[query] @ embeddings[target].T
    own = torch.arange(len(query), device=query.device)
    excluded = (target[None, :] == query[:, None]) | (target[None, :] == target[:, None])
    excluded[own, own] = False
    return functional.cross_entropy(logits.masked_fill(excluded, float("-inf")), own)


@torch.inference_mode()
def predictor_scores(
    model: LinkPredictor, features: sparse.csr_array, graph: sparse.csr_array, history: Baskets
) -> Scores:
    """The scores of a trained model on the graph of all that is known, with the popularity in ``history``."""
    device = model.of_product.device
    embeddings = model(SparseProduct(features, device), SparseProduct(normalized(graph), device)).cpu().numpy()
    # A product in no basket is as likely as a half of one.
    popular = np.log(np.maximum(history.counts, 0.5)).astype(np.float32)

    def scores(query: NDArray[np.int64]) -> NDArray[np.floating]:
        found: NDArray[np.floating] = embeddings[query] @ embeddings.T + popular
        return found

    return scores

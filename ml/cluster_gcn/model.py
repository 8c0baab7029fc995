"""The Cluster-GCN network (arXiv 1905.07953, sections 3.3 and 4). See ``ml.cluster_gcn.train`` for its training."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Self

import torch
from scipy import sparse
from torch import Tensor, nn

from ml.cluster_gcn.dropout import Dropout
from ml.cluster_gcn.normalization import Normalization
from ml.cluster_gcn.propagation import Propagation
from ml.pretrained import Pretrained

LAYER_NORM_EPS = 1e-9
"""As in the authors' code."""


class Layer(nn.Module):
    """X' = norm([P X ‖ X] W) = norm(P X W₁ + X W₂), or norm(P X W₁) without ``concat``; no bias, as published.

    In training a node's whole P X is 0 with probability ``neighbour_dropout``, and scaled up otherwise, so that the
    network also learns to classify a node from its own features. This is not in the paper.
    """

    def __init__(
        self, in_dim: int, out_dim: int, dropout: float, layer_norm: bool, concat: bool, neighbour_dropout: float
    ) -> None:
        super().__init__()
        self.in_dim, self.out_dim, self.concat = in_dim, out_dim, concat
        self.dropout = Dropout(dropout)
        self.neighbour_dropout = neighbour_dropout
        self.weight = nn.Parameter(torch.empty((2 if concat else 1) * in_dim, out_dim))
        self.norm = nn.LayerNorm(out_dim, eps=LAYER_NORM_EPS) if layer_norm else nn.Identity()
        nn.init.xavier_uniform_(self.weight)

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        """``W₁[in_dim, out_dim]`` for the neighbours, ``W₂`` for the node itself (empty without ``concat``)."""
        return self.weight[: self.in_dim], self.weight[self.in_dim :]

    def forward(self, propagated: Tensor, features: Tensor) -> Tensor:
        """``(P X)[n, in_dim]``, ``X[n, in_dim]`` → ``[n, out_dim]``."""
        around = self.dropout(propagated) @ self.weights[0]
        if self.training and self.neighbour_dropout:
            around = around * nn.functional.dropout(around.new_ones(len(around), 1), self.neighbour_dropout)
        return self.combined(around, self.dropout(features))

    def combined(self, around: Tensor, features: Tensor) -> Tensor:
        """``(P X W₁)[n, out_dim]``, ``X[n, in_dim]`` → ``[n, out_dim]``."""
        return self.norm(torch.addmm(around, features, self.weights[1]) if self.concat else around)


class ClusterGCN(Pretrained):
    """``layers`` graph convolutions, ReLU after each but the last; scores ``[n, classes]``.

    With ``residual`` (eq 8), a layer whose width does not change adds its input: X' = σ(…) + X. The network
    standardises the features, so that a stored model consists of its weights only.

    Args:
        normalization, diagonal_lambda: the matrix P of an adjacency, see ``normalization.scales``.
        first_normalization: that of the first layer, without λ; None for the same P as in the others.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(
        self,
        in_dim: int,
        hidden_dim: int,
        classes: int,
        layers: int,
        dropout: float = 0.2,
        normalization: Normalization = "self_loops",
        diagonal_lambda: float = 0.0,
        residual: bool = False,
        layer_norm: bool = True,
        concat: bool = True,
        neighbour_dropout: float = 0.0,
        first_normalization: Normalization | None = None,
    ) -> None:
        if layers < 1:
            raise ValueError(f"{layers} layers: must be at least 1")
        super().__init__()
        self._sizes = {
            "features": in_dim,
            "hidden_dim": hidden_dim,
            "classes": [str(number) for number in range(classes)],
            "layers": layers,
            "dropout": dropout,
            "normalization": normalization,
            "diagonal_lambda": diagonal_lambda,
            "residual": residual,
            "layer_norm": layer_norm,
            "concat": concat,
            "neighbour_dropout": neighbour_dropout,
            **({} if first_normalization is None else {"first_normalization": first_normalization}),
        }
        self.first_normalization = first_normalization
        self.normalization: Normalization = normalization
        self.diagonal_lambda = diagonal_lambda
        self.residual = residual
        widths = [in_dim, *[hidden_dim] * (layers - 1), classes]
        self.layers = nn.ModuleList(
            Layer(width, next_width, dropout, layer_norm and index < layers - 1, concat, neighbour_dropout)
            for index, (width, next_width) in enumerate(pairwise(widths))
        )
        self.register_buffer("feature_mean", torch.zeros(in_dim))
        self.register_buffer("feature_scale", torch.ones(in_dim))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        names = ("dropout", "normalization", "diagonal_lambda", "residual", "layer_norm", "concat", "neighbour_dropout")
        return cls(
            config["features"],
            config["hidden_dim"],
            len(config["classes"]),
            config["layers"],
            **{name: config[name] for name in names},
            first_normalization=config.get("first_normalization"),
        )

    def stored_config(self) -> dict[str, Any]:
        """The configuration as in a model of the lake; its classes are numbers, as the network has no names of them."""
        return self._sizes

    def standardize_on(self, features: Tensor) -> None:
        """Standardise by these nodes: their ``features[n, in_dim]`` get mean 0 and deviation 1, or 0 if constant."""
        deviation = features.std(dim=0, correction=0)
        self.feature_mean.copy_(features.mean(dim=0))
        self.feature_scale.copy_(torch.where(deviation > 0, 1 / deviation, 0))

    def inputs(self, features: Tensor) -> Tensor:
        """The standardised X of the first layer, ``[n, in_dim]``."""
        return (features - self.feature_mean) * self.feature_scale

    def propagation(self, adjacency: sparse.csr_array) -> Propagation:
        """P of a graph or a part of it, on the device of the weights: ``A[n, n]``, symmetric, without loops."""
        return Propagation(adjacency, self.normalization, self.diagonal_lambda, self.feature_mean.device)

    def first_propagation(self, adjacency: sparse.csr_array) -> Propagation:
        """P of the first layer, as ``propagation``."""
        if self.first_normalization is None:
            return self.propagation(adjacency)
        return Propagation(adjacency, self.first_normalization, 0.0, self.feature_mean.device)

    def forward(self, propagation: Propagation, inputs: Tensor, propagated: Tensor | None = None) -> Tensor:
        """Scores ``[n, classes]``.

        Args:
            inputs: ``X[n, in_dim]``, standardised.
            propagated: P X of the first layer if it is already computed (section 6.2). It must be if that layer has a
                matrix of its own, which is one of the whole graph.
        """
        if propagated is None and self.first_normalization is not None:
            raise ValueError(f"first_normalization={self.first_normalization!r}: the first layer's P X must be given")
        hidden = inputs
        for index, layer in enumerate(self.layers):
            around = propagated if index == 0 and propagated is not None else propagation(hidden)
            hidden = self.activated(index, layer(around, hidden), hidden)
        return hidden

    def activated(self, index: int, output: Tensor, hidden: Tensor) -> Tensor:
        """The activation σ after a layer, plus the layer's input ``hidden[n, in_dim]`` with ``residual``."""
        if index == len(self.layers) - 1:
            return output
        output = torch.relu(output)
        return output + hidden if self.residual and output.shape == hidden.shape else output

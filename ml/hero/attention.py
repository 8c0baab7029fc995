"""Transformer layers over packed sequences, so that no token of padding is computed.

The sequences of a batch follow one another in a stream ``[tokens, hidden]``, ordered by length. ``Groups`` lists
(number of sequences, their length) in the stream's order. Operations on single tokens run on the whole stream;
attention runs group by group on views of the stream, which need no mask.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

Groups = tuple[tuple[int, int], ...]

LAYER_NORM_EPS = 1e-12
"""Of layer norms within the layers, as published; those of embeddings and heads have torch's default, 1e-5."""


def group_views(stream: Tensor, groups: Groups) -> Iterator[Tensor]:
    """The groups of a stream ``[tokens, ...]`` as ``[sequences, length, ...]`` each."""
    # Slices instead of a split would each make a gradient as long as the stream.
    for part, size in zip(stream.split([count * length for count, length in groups]), groups, strict=True):
        yield part.unflatten(0, size)


class SelfAttention(nn.Module):
    """Multi-head self-attention with its residual and layer norm: ``LN(x + dropout(attention(x)))``."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.probability = heads, dropout
        self.queries_keys_values = nn.Linear(hidden, 3 * hidden)
        self.output = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden, LAYER_NORM_EPS)

    def forward(self, stream: Tensor, groups: Groups) -> Tensor:
        """``stream[tokens, hidden]`` to the same shape; tokens attend to tokens of their own sequence only."""
        projected = self.queries_keys_values(stream).unflatten(1, (3, self.heads, -1))
        dropout = self.probability if self.training else 0.0
        attended = []
        for group in group_views(projected, groups):
            queries, keys, values = (each.transpose(1, 2) for each in group.unbind(2))
            mixed = functional.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
            attended.append(mixed.transpose(1, 2).flatten(2).flatten(0, 1))
        return self.norm(stream + self.dropout(self.output(torch.cat(attended))))


class Layer(nn.Module):
    """Self-attention, then a feed-forward layer (``4 * hidden``, GELU), each with residual and layer norm."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(hidden, heads, dropout)
        self.fc1 = nn.Linear(hidden, 4 * hidden)
        self.fc2 = nn.Linear(4 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden, LAYER_NORM_EPS)

    def forward(self, stream: Tensor, groups: Groups) -> Tensor:
        """``stream[tokens, hidden]`` to the same shape."""
        attended = self.attention(stream, groups)
        hidden = self.fc2(functional.gelu(self.fc1(attended)))
        return self.norm(attended + self.dropout(hidden))


class Encoder(nn.Module):
    """A stack of layers, and the pooler of the published model, which no other part reads."""

    def __init__(self, layers: int, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(hidden, heads, dropout) for _ in range(layers))
        self.pooler = nn.Linear(hidden, hidden)

    def forward(self, stream: Tensor, groups: Groups) -> Tensor:
        """``stream[tokens, hidden]`` to the same shape."""
        for layer in self.layers:
            stream = layer(stream, groups)
        return stream

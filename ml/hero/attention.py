"""Transformer layers over packed sequences, so that no token of padding is computed.

The sequences of a batch follow one another in a stream ``[tokens, hidden]``, ordered by length; ``Packing`` has their
lengths as a tensor, so that a compiled layer serves every batch. Operations on single tokens run on the whole stream.
Attention is one call per layer: a kernel for sequences of different lengths on CUDA, and elsewhere one product per
group of equal lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LAYER_NORM_EPS = 1e-12
"""Of layer norms within the layers, as published; those of embeddings and heads have torch's default, 1e-5."""


class Packing(NamedTuple):
    """``lengths[sequences]`` of a stream's sequences, ascending; ``longest`` is the last of them, known on the host."""

    lengths: Tensor
    longest: int


class SelfAttention(nn.Module):
    """Multi-head self-attention with its residual and layer norm: ``LN(x + dropout(attention(x)))``."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.probability = heads, dropout
        self.queries_keys_values = nn.Linear(hidden, 3 * hidden)
        self.output = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden, LAYER_NORM_EPS)

    def forward(self, stream: Tensor, packing: Packing) -> Tensor:
        """``stream[tokens, hidden]`` to the same shape; tokens attend to tokens of their own sequence only."""
        projected = self.queries_keys_values(stream).unflatten(1, (3, self.heads, -1))
        attended = attend(projected, packing, self.probability if self.training else 0.0)
        return self.norm(stream + self.dropout(self.output(attended)))


class Layer(nn.Module):
    """Self-attention, then a feed-forward layer (``4 * hidden``, GELU), each with residual and layer norm."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(hidden, heads, dropout)
        self.fc1 = nn.Linear(hidden, 4 * hidden)
        self.fc2 = nn.Linear(4 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden, LAYER_NORM_EPS)

    def forward(self, stream: Tensor, packing: Packing) -> Tensor:
        """``stream[tokens, hidden]`` to the same shape."""
        attended = self.attention(stream, packing)
        hidden = self.fc2(functional.gelu(self.fc1(attended)))
        return self.norm(attended + self.dropout(hidden))


class Encoder(nn.Module):
    """A stack of layers, and the pooler of the published model, which no other part reads."""

    def __init__(self, layers: int, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(hidden, heads, dropout) for _ in range(layers))
        self.pooler = nn.Linear(hidden, hidden)

    def forward(self, stream: Tensor, packing: Packing) -> Tensor:
        """``stream[tokens, hidden]`` to the same shape."""
        for layer in self.layers:
            stream = layer(stream, packing)
        return stream


def attend(projected: Tensor, packing: Packing, dropout: float) -> Tensor:
    """Attention within each sequence: ``projected[tokens, 3, heads, dim]`` to ``[tokens, heads * dim]``."""
    if projected.device.type in ("cuda", "meta"):  # meta: shapes alone, as on CUDA
        return _by_kernel(projected, packing, dropout)
    if torch.compiler.is_compiling():
        seed = torch.randint(2**62, (1,), device=projected.device)
        attended: Tensor = torch.ops.howto.attention_by_length(projected, packing.lengths, seed, dropout)
        return attended
    attended_groups = []
    for group in _groups(projected, packing.lengths):
        queries, keys, values = (each.transpose(1, 2) for each in group.unbind(2))
        mixed = functional.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
        attended_groups.append(mixed.transpose(1, 2).flatten(2).flatten(0, 1))
    return torch.cat(attended_groups)


def _by_kernel(projected: Tensor, packing: Packing, dropout: float) -> Tensor:
    """On CUDA: one call for all sequences, which reads their ends on the device.

    ``torch.nn.attention.varlen`` has no dropout, which the published model has; this operator, which torch's own
    attention of nested tensors calls, has it in float32 and in half precision.
    """
    ends = functional.pad(packing.lengths.cumsum(0), (1, 0)).int()
    queries, keys, values = (each[None] for each in projected.unbind(1))
    attended, *_ = torch.ops.aten._efficient_attention_forward(
        queries, keys, values, None, ends, ends, packing.longest, packing.longest, dropout, 0, True
    )
    flat: Tensor = attended[0].flatten(1)
    return flat


def _groups(stream: Tensor, lengths: Tensor) -> Iterator[Tensor]:
    """Sequences of equal length in a row, of a stream ``[tokens, ...]``, as ``[sequences, length, ...]`` each."""
    sizes = [(len(list(group)), length) for length, group in groupby(lengths.tolist())]
    # Slices instead of a split would each make a gradient as long as the stream.
    for part, size in zip(stream.split([count * length for count, length in sizes]), sizes, strict=True):
        yield part.unflatten(0, size)


@torch.library.custom_op("howto::attention_by_length", mutates_args=())
def _attention_by_length(projected: Tensor, lengths: Tensor, seed: Tensor, dropout: float) -> Tensor:
    """The same as an operator, which a compiled graph contains whole: it reads the lengths when it runs."""
    generator = torch.Generator().manual_seed(int(seed))
    attended = []
    for group in _groups(projected, lengths):
        _, _, values, chances = _attention(group)
        mixed = (chances * _kept(chances, dropout, generator)) @ values
        attended.append(mixed.transpose(1, 2).flatten(2).flatten(0, 1))
    return torch.cat(attended)


@_attention_by_length.register_fake
def _(projected: Tensor, lengths: Tensor, seed: Tensor, dropout: float) -> Tensor:
    return projected.new_empty(projected.shape[0], projected.shape[2] * projected.shape[3])


@torch.library.custom_op("howto::attention_by_length_backward", mutates_args=())
def _attention_by_length_backward(
    gradient: Tensor, projected: Tensor, lengths: Tensor, seed: Tensor, dropout: float
) -> Tensor:
    """Gradient at ``projected``; chances and dropout are computed again."""
    generator = torch.Generator().manual_seed(int(seed))
    gradients = []
    heads = gradient.unflatten(1, (projected.shape[2], -1))
    for group, above in zip(_groups(projected, lengths), _groups(heads, lengths), strict=True):
        queries, keys, values, chances = _attention(group)
        kept, above = _kept(chances, dropout, generator), above.transpose(1, 2)
        at_chances = (above @ values.mT) * kept
        at_scores = chances * (at_chances - (at_chances * chances).sum(-1, keepdim=True)) / queries.shape[-1] ** 0.5
        each = at_scores @ keys, at_scores.mT @ queries, (chances * kept).mT @ above
        gradients.append(torch.stack([part.transpose(1, 2) for part in each], 2).flatten(0, 1))
    return torch.cat(gradients)


@_attention_by_length_backward.register_fake
def _(gradient: Tensor, projected: Tensor, lengths: Tensor, seed: Tensor, dropout: float) -> Tensor:
    return torch.empty_like(projected, memory_format=torch.contiguous_format)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, float], output: Tensor) -> None:
    *tensors, ctx.dropout = inputs
    ctx.save_for_backward(*tensors)


def _propagate(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
    at_projected = torch.ops.howto.attention_by_length_backward(gradient, *ctx.saved_tensors, ctx.dropout)
    return at_projected, None, None, None


_attention_by_length.register_autograd(_propagate, setup_context=_remember)


def _attention(group: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys, values ``[sequences, heads, length, dim]`` of a group, and attention ``[..., length, length]``."""
    queries, keys, values = (each.transpose(1, 2) for each in group.unbind(2))
    return queries, keys, values, (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(-1)


def _kept(chances: Tensor, dropout: float, generator: torch.Generator) -> Tensor:
    """Factors of dropout: 0, or ``1 / (1 - dropout)``."""
    if not dropout:
        return chances.new_ones(())
    return torch.empty_like(chances).bernoulli_(1 - dropout, generator=generator) / (1 - dropout)

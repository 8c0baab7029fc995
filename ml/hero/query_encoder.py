"""The query encoder of HERO: one vector for a text that describes a moment or a video."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.hero.attention import SelfAttention
from ml.hero.batch import Texts
from ml.hero.config import HeroConfig


class QueryEncoder(nn.Module):
    """Attention over the cross-modal transformer's vectors of a text's tokens gives one vector."""

    def __init__(self, config: HeroConfig) -> None:
        super().__init__()
        hidden = config.hidden
        self.input_norm = nn.LayerNorm(hidden)
        self.project = nn.Linear(hidden, hidden)
        self.positions = nn.Embedding(config.text_positions, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.attention = SelfAttention(hidden, config.heads, config.dropout)
        self.weigh = nn.Linear(hidden, 1, bias=False)

    def forward(self, tokens: Tensor, texts: Texts) -> Tensor:
        """``tokens[tokens, hidden]``, packed like ``texts``, to ``[texts, hidden]`` in the order of the given texts."""
        projected = functional.relu(self.project(self.dropout(self.input_norm(tokens))))
        stream = self.dropout(self.norm(projected + self.positions(texts.positions)))
        stream = self.attention(stream, texts.packing)
        lengths = texts.packing.lengths
        of_text = torch.repeat_interleave(lengths, output_size=len(stream))
        scores = self.weigh(stream)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        most = torch.segment_reduce(scores.detach(), "max", lengths=lengths, axis=0, unsafe=True)
        weights = (scores - most[of_text]).exp()
        total = weights.new_zeros(len(lengths), 1).index_add(0, of_text, weights)
        weighted = weights / total[of_text] * stream
        pooled = weighted.new_zeros(len(lengths), stream.shape[1]).index_add(0, of_text, weighted)
        return pooled[texts.places]

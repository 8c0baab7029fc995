"""The query encoder of HERO: one vector for a text that describes a moment or a video."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.hero.attention import SelfAttention, group_views
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
        stream = self.attention(stream, texts.groups)
        pooled = [(self.weigh(group).softmax(1) * group).sum(1) for group in group_views(stream, texts.groups)]
        return torch.cat(pooled)[texts.places]

"""The cross-modal transformer f of HERO (section 3.1): one sequence per subtitle, its frames before its text.

See ``ml.hero.temporal`` for the transformer over the whole video.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ml.hero.attention import Encoder
from ml.hero.batch import HeroBatch, Texts
from ml.hero.config import HeroConfig

LAST_POSITION = 511
"""Later tokens share this position."""


class MaskEmbedding(nn.Embedding):
    """Replaces the features of masked frames; row 0, for frames that are not masked, is zero."""

    def __init__(self, frame_dim: int) -> None:
        super().__init__(2, frame_dim, padding_idx=0)

    def apply_mask(self, features: Tensor, masked: Tensor | None) -> Tensor:
        """``features[n, dim]`` with the mask in place of the frames where ``masked[n]`` is true."""
        if masked is None:
            return features
        return features.masked_fill(masked[:, None], 0) + self(masked.long())


class CrossModalTransformer(nn.Module):
    """Frames ``[n, frame_dim]`` and subtitle tokens to vectors of one space, in the context of their subtitle."""

    def __init__(self, config: HeroConfig) -> None:
        super().__init__()
        hidden = config.hidden
        self.words = nn.Embedding(config.vocabulary, hidden)
        self.positions = nn.Embedding(config.text_positions, hidden)
        self.types = nn.Embedding(2, hidden)
        self.text_norm = nn.LayerNorm(hidden)
        self.mask = MaskEmbedding(config.frame_dim)
        self.feature_norm = nn.LayerNorm(config.frame_dim)
        self.project = nn.Linear(config.frame_dim, hidden)
        self.frame_positions = nn.Embedding(config.max_frames, hidden)
        self.frame_norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = Encoder(config.cross_modal_layers, hidden, config.heads, config.dropout)

    def embed_text(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """``tokens[n]`` at ``positions[n]`` to ``[n, hidden]``. Text and frames are both of type 1."""
        words = self.words(tokens) + self.positions(positions.clamp(max=LAST_POSITION)) + self.types.weight[1]
        embedded: Tensor = self.dropout(self.text_norm(words))
        return embedded

    def embed_frames(self, features: Tensor, positions: Tensor) -> Tensor:
        """``features[n, frame_dim]`` at ``positions[n]`` of their subtitle to ``[n, hidden]``."""
        frames = self.project(self.feature_norm(features)) + self.frame_positions(positions) + self.types.weight[1]
        embedded: Tensor = self.dropout(self.frame_norm(frames))
        return embedded

    def forward(self, batch: HeroBatch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Vectors of the matched frames ``[matched, hidden]`` and of the tokens ``[tokens, hidden]``.

        Args:
            masked: true for frames whose features are hidden ``[frames]``.
        """
        hidden_frames = None if masked is None else masked[batch.matched]
        features = self.mask.apply_mask(batch.features(batch.matched), hidden_frames)
        frames = self.embed_frames(features, batch.matched_positions)
        text = self.embed_text(batch.tokens, batch.token_positions)
        stream = self.encoder(torch.cat([frames, text])[batch.order], batch.packing)
        both = torch.empty_like(stream).index_copy(0, batch.order, stream)
        return both[: len(frames)], both[len(frames) :]

    def encode_texts(self, texts: Texts) -> Tensor:
        """Vectors of the tokens of texts without frames ``[tokens, hidden]``, packed like ``texts``."""
        embedded: Tensor = self.encoder(self.embed_text(texts.tokens, texts.positions), texts.packing)
        return embedded

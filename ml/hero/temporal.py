"""The temporal transformer c of HERO (section 3.1): all frames of a video, each fused with its subtitle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ml.hero.attention import Encoder
from ml.hero.batch import HeroBatch
from ml.hero.config import HeroConfig
from ml.hero.cross_modal import MaskEmbedding


class FrameTransform(nn.Sequential):
    """Projects a frame to the temporal transformer without the cross-modal one: layer norm, dropout, linear, ReLU."""

    def __init__(self, config: HeroConfig) -> None:
        super().__init__(
            nn.LayerNorm(config.frame_dim),
            nn.Dropout(config.dropout),
            nn.Linear(config.frame_dim, config.hidden),
            nn.ReLU(),
        )


class TemporalTransformer(nn.Module):
    """Frames in the context of their whole video."""

    def __init__(self, config: HeroConfig) -> None:
        super().__init__()
        self.mask = MaskEmbedding(config.frame_dim)
        self.positions = nn.Embedding(config.text_positions, config.hidden)
        self.norm = nn.LayerNorm(config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = Encoder(config.temporal_layers, config.hidden, config.heads, config.dropout)

    def forward(self, frames: Tensor, batch: HeroBatch, appended: Tensor) -> Tensor:
        """``frames[frames, hidden]`` to the same shape.

        Args:
            appended: embedded tokens that follow each video's frames ``[appended, hidden]``.
        """
        embedded = self.dropout(self.norm(frames + self.positions(batch.frame_places)))
        stream = self.encoder(torch.cat([embedded, appended])[batch.video_order], batch.video_packing)
        return torch.empty_like(stream).index_copy(0, batch.video_order, stream)[: len(frames)]

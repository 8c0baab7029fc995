"""HERO: a cross-modal transformer over each subtitle and its frames, a temporal one over the video (arXiv 2005.00200).

See ``ml.hero.pretraining`` for the losses and ``ml.hero.downstream`` for the heads of downstream tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.hero.attention import Encoder
from ml.hero.batch import AlignedVideo, HeroBatch, Passage, Texts, collate, padded
from ml.hero.config import HeroConfig
from ml.hero.cross_modal import CrossModalTransformer
from ml.hero.moment_head import MomentHead
from ml.hero.query_encoder import QueryEncoder
from ml.hero.temporal import FrameTransform, TemporalTransformer
from ml.pretrained import Pretrained


class LanguageHead(nn.Module):
    """Hidden states to logits of the vocabulary; the last layer is the word embedding's matrix."""

    def __init__(self, words: nn.Embedding) -> None:
        super().__init__()
        vocabulary, hidden = words.weight.shape
        self.dense = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        # A tuple hides it from this module: the parameter would otherwise be stored and counted twice.
        self.tied = (words,)

    def forward(self, states: Tensor) -> Tensor:
        """``states[n, hidden]`` to ``[n, vocabulary]``."""
        return functional.linear(self.norm(functional.gelu(self.dense(states))), self.tied[0].weight, self.bias)


class Hero(Pretrained):
    """The model that is pre-trained; at the published sizes it has 121,037,262 parameters.

    Shapes: ``frames`` are the frames of all videos of a batch, packed; ``batch.lengths`` are the numbers per video.
    """

    cross_modal_type: type[CrossModalTransformer] = CrossModalTransformer

    def __init__(self, config: HeroConfig) -> None:
        super().__init__()
        self.config = config
        hidden, frame_dim = config.hidden, config.frame_dim
        self.cross_modal = self.cross_modal_type(config)
        self.frame_transform = FrameTransform(config)
        self.temporal = TemporalTransformer(config)
        self.query_encoder = QueryEncoder(config)
        self.language = LanguageHead(self.cross_modal.words)
        self.frame_features = nn.Sequential(
            nn.Linear(hidden, hidden), nn.GELU(), nn.LayerNorm(hidden), nn.Linear(hidden, frame_dim)
        )
        self.frame_order = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.LayerNorm(2 * hidden), nn.Linear(2 * hidden, config.max_frames)
        )
        self.moments = MomentHead(hidden)
        self.apply(initialise)
        with torch.no_grad():
            self.cross_modal.types.weight[0] = self.cross_modal.types.weight[1]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(HeroConfig(**config["model"]))

    def stored_config(self) -> dict[str, Any]:
        return {"model": asdict(self.config)}

    def fuse(self, batch: HeroBatch, masked: Tensor | None = None) -> Tensor:
        """Frames fused with their subtitles ``[frames, hidden]``, before the temporal transformer.

        Args:
            masked: frames whose features are hidden ``[frames]``.
        """
        own = self.frame_transform(self.temporal.mask.apply_mask(batch.features(), masked))
        said, _ = self.cross_modal(batch, masked)
        return torch.index_add(own, 0, batch.matched, said.to(own.dtype))

    def contextual(self, batch: HeroBatch, masked: Tensor | None = None, shuffle: Tensor | None = None) -> Tensor:
        """Contextual embeddings of the frames ``[frames, hidden]``.

        Args:
            masked: frames whose features are hidden ``[frames]``.
            shuffle: number of the frame that takes each frame's place ``[frames]``; None keeps the order.
        """
        fused = self.fuse(batch, masked)
        if shuffle is not None:
            fused = fused[shuffle]
        appended = self.cross_modal.embed_text(batch.appended, batch.appended_positions)
        frames: Tensor = self.temporal(fused, batch, appended)
        return frames

    def encode(self, batch: HeroBatch) -> tuple[Tensor, Tensor]:
        """Contextual embeddings ``[videos, frames, hidden]``, and the mask that is true where there is a frame."""
        return padded(self.contextual(batch), batch.lengths, batch.longest)

    @staticmethod
    def with_texts(videos: Sequence[AlignedVideo], texts: Sequence[Sequence[int]]) -> HeroBatch:
        """Videos with one text each, appended to every passage and to the frames in the temporal transformer."""
        joined = [
            replace(video, passages=tuple(Passage(each.frames, (*each.tokens, *text)) for each in video.passages))
            for video, text in zip(videos, texts, strict=True)
        ]
        return collate(joined, appended=texts)

    def encode_query(self, texts: Texts) -> Tensor:
        """One vector per text ``[texts, hidden]``, in the order in which the texts were collated."""
        queries: Tensor = self.query_encoder(self.cross_modal.encode_texts(texts), texts)
        return queries


def encoders(network: nn.Module) -> list[nn.Module]:
    """The stacks of layers in a network, which have most of its work."""
    return [module for module in network.modules() if isinstance(module, Encoder)]


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02) as published, and biases 0; convolutions and layer norms keep torch's initialisation."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx] = 0

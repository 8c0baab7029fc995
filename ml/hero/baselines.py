"""Two simpler encoders to compare with HERO: F-TRM has no hierarchy, H-TRM does not fuse frames with words.

HERO's paper (arXiv 2005.00200) compares HERO with encoders of these names. Their details were not available, so the
architecture of each class below is this project's choice. Both keep HERO's interface, heads and tasks, so that only
the encoder differs. At the published sizes F-TRM has 116,689,870 parameters, H-TRM 117,598,414 and HERO 121,037,262.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ml.hero.attention import Packing
from ml.hero.batch import AlignedVideo, HeroBatch, collate
from ml.hero.config import HeroConfig
from ml.hero.cross_modal import CrossModalTransformer
from ml.hero.model import Hero


class FlatEncoder(CrossModalTransformer):
    """One sequence per video: all its frames, the text of all its subtitles, and the appended text."""

    def forward(self, batch: HeroBatch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Vectors of all frames ``[frames, hidden]`` and of the tokens of subtitles ``[tokens, hidden]``.

        Frames are numbered through their video, and so are the tokens of its subtitles.
        """
        frames = self.embed_frames(self.mask.apply_mask(batch.features(), masked), batch.frame_places)
        starts = torch.searchsorted(batch.token_videos, batch.token_videos)
        text = self.embed_text(batch.tokens, torch.arange(len(starts), device=starts.device) - starts)
        appended = self.embed_text(batch.appended, batch.appended_positions)
        rows = torch.arange(len(batch.lengths), device=starts.device)
        of_frames = rows.repeat_interleave(batch.lengths)
        of_appended = _of_appended(batch, of_frames)
        order, packing = by_sequence(torch.cat([of_frames, batch.token_videos, of_appended]))
        stream = self.encoder(torch.cat([frames, text, appended])[order], packing)
        whole = torch.empty_like(stream).index_copy(0, order, stream)
        return whole[: len(frames)], whole[len(frames) : len(frames) + len(text)]


class FlatTransformer(Hero):
    """F-TRM: as many layers as HERO's two transformers together, over frames and words in one sequence.

    Queries pass through all of these layers. The model does not receive which words are said in which frames. A
    question is appended once. Shuffling exchanges the features of frames, because no fusion precedes attention.
    """

    cross_modal_type = FlatEncoder

    def __init__(self, config: HeroConfig) -> None:
        layers = config.cross_modal_layers + config.temporal_layers
        super().__init__(replace(config, cross_modal_layers=layers, temporal_layers=0))
        self.config = config
        del self.temporal, self.frame_transform

    def contextual(self, batch: HeroBatch, masked: Tensor | None = None, shuffle: Tensor | None = None) -> Tensor:
        if shuffle is not None:
            batch = batch._replace(frames=batch.frames[shuffle])
        frames: Tensor
        frames, _ = self.cross_modal(batch, masked)
        return frames

    @staticmethod
    def with_texts(videos: Sequence[AlignedVideo], texts: Sequence[Sequence[int]]) -> HeroBatch:
        return collate(videos, appended=texts)


class SubtitleEncoder(CrossModalTransformer):
    """One sequence per subtitle, of its text alone; each of its frames gets the mean of its tokens' vectors."""

    def __init__(self, config: HeroConfig) -> None:
        super().__init__(config)
        del self.mask, self.feature_norm, self.project, self.frame_positions, self.frame_norm

    def forward(self, batch: HeroBatch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Text vectors of the matched frames ``[matched, hidden]``, and vectors of the tokens ``[tokens, hidden]``."""
        of_rows = _sequence_of_rows(batch.order, batch.packing)
        of_frames, of_tokens = of_rows[: len(batch.matched)], of_rows[len(batch.matched) :]
        order, packing = by_sequence(of_tokens)
        stream = self.encoder(self.embed_text(batch.tokens, batch.token_positions)[order], packing)
        text = torch.empty_like(stream).index_copy(0, order, stream)
        counts = torch.bincount(of_tokens)[:, None]
        said = text.new_zeros(len(counts), text.shape[1]).index_add(0, of_tokens, text) / counts
        return said[of_frames], text


class HierarchicalTransformer(Hero):
    """H-TRM: the lower transformer reads subtitles without frames; the temporal transformer combines text and frames.

    It differs from HERO only in the input of the lower transformer.
    """

    cross_modal_type = SubtitleEncoder


def by_sequence(sequences: Tensor) -> tuple[Tensor, Packing]:
    """Order and packing of elements by the sequence that each belongs to ``[elements]``, shortest first."""
    _, own, lengths = sequences.unique(return_inverse=True, return_counts=True)
    order = (lengths[own] * len(lengths) + own).argsort(stable=True)
    return order, Packing(lengths.sort().values, int(lengths.max()))


def _sequence_of_rows(order: Tensor, packing: Packing) -> Tensor:
    """Number of the packed sequence that contains each row."""
    numbers = torch.arange(len(packing.lengths), device=order.device)
    of_rows = numbers.repeat_interleave(packing.lengths, output_size=len(order))
    return torch.empty_like(order).index_copy(0, order, of_rows)


def _of_appended(batch: HeroBatch, of_frames: Tensor) -> Tensor:
    """Video of each appended token: that of the frames in its sequence of the temporal transformer."""
    of_rows = _sequence_of_rows(batch.video_order, batch.video_packing)
    frames = len(of_frames)
    of_sequence = torch.empty_like(batch.lengths).index_copy(0, of_rows[:frames], of_frames)
    return of_sequence[of_rows[frames:]]

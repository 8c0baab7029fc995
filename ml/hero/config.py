"""Sizes of a HERO model: the numbers that determine the shapes of its parameters and of its input.

See ``ml.hero.pretraining.train`` and ``ml.hero.downstream.finetune`` for the settings of trainings.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeroConfig:
    """Widths, depths and limits; the defaults are those of the published model (121.0 M parameters).

    ``max_frames`` limits the frames of a video, ``max_text`` the tokens of a query or subtitle, without the token that
    begins a text.
    """

    vocabulary: int = 50_272
    frame_dim: int = 4352
    hidden: int = 768
    heads: int = 12
    cross_modal_layers: int = 6
    temporal_layers: int = 3
    max_frames: int = 100
    max_text: int = 60
    text_positions: int = 514
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ValueError(f"hidden={self.hidden} must be a multiple of heads={self.heads}")
        if not 0 < self.max_frames <= self.text_positions:
            raise ValueError(f"max_frames={self.max_frames} must be from 1 to text_positions={self.text_positions}")


PRESETS = {
    "paper": HeroConfig(),
    "small": HeroConfig(vocabulary=2048, hidden=64, heads=4, cross_modal_layers=2, temporal_layers=1),
}
"""``small`` is for data sets of hundreds of videos and for machines without an accelerator."""

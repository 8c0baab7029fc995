"""Which pictures of a video a network gets: rates, clips and crops, without torch and decoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Rule = Literal["middle", "at"]
Padding = Literal["repeat", "zero"]


@dataclass(frozen=True)
class SourceVideo:
    """Properties of a video before it is decoded: mean frames per second, and seconds."""

    frame_rate: float
    duration_s: float


@dataclass(frozen=True)
class Sampling:
    """A video resampled at ``frame_rate`` and divided into clips of ``clip_frames``: each clip gives one feature row.

    Picture i of the resampled video is the last frame with ``pts < (i + 0.5) / frame_rate`` by the rule ``middle``
    (as in ffmpeg's ``fps`` filter), or with ``pts <= i / frame_rate`` by the rule ``at``. Clip r has
    the pictures ``r * clip_frames + offset`` for each of ``offsets`` (all of them if it is None). The last clip is
    padded by its last picture or by black ones. Scaling sets the shorter side; then the middle square is cropped, or
    with ``squash`` both sides are scaled to ``short_side``.

    With ``start_s`` there is one clip only, which starts at that time. The last three fields are not part of the
    ``repr``, which fingerprints of stored features are made of.
    """

    frame_rate: Fraction
    short_side: int
    centre_crop: int | None
    clip_frames: int = 1
    offsets: tuple[int, ...] | None = None
    rule: Rule = "middle"
    padding: Padding = "repeat"
    squash: bool = field(default=False, repr=False)
    bilinear: bool = field(default=False, repr=False)
    start_s: Fraction | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.frame_rate <= 0 or self.clip_frames < 1:
            raise ValueError(f"{self}: frame_rate and clip_frames must be positive")
        if self.centre_crop is not None and self.centre_crop > self.short_side:
            raise ValueError(f"{self}: centre_crop must be at most short_side")
        if self.offsets is not None and not all(0 <= offset < self.clip_frames for offset in self.offsets):
            raise ValueError(f"{self}: offsets must be within a clip")

    @property
    def row_rate(self) -> Fraction:
        """Feature rows per second of video."""
        return self.frame_rate / self.clip_frames

    @property
    def pictures(self) -> tuple[int, ...]:
        """Offsets, within its clip, of the pictures of a row."""
        return self.offsets if self.offsets is not None else tuple(range(self.clip_frames))

"""Options of feature extraction: networks by name, presets of streams, files of weights, how networks run.

This module does not import torch, so that definitions that use it load fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class BackboneSpec:
    """A stream of features: its network, and the options of that network.

    ``clip_s`` is the seconds of video per row (None if the network fixes them). ``consistent`` enables the deviations
    from the published extraction that make rows comparable across files.
    """

    name: str
    network: str
    clip_s: Fraction | None = None
    consistent: bool = False


@dataclass(frozen=True)
class Weights:
    """A file of parameters: its path or http(s) address, and its SHA-256 or at least the first 8 digits of it.

    For an address the SHA-256 is required, for a path it is optional.
    """

    source: str
    sha256: str | None = None


@dataclass(frozen=True)
class Options:
    """How networks run.

    ``autocast`` computes in bfloat16; None enables it on CUDA only. ``channels_last`` is the memory layout, ``compile``
    runs the network through ``torch.compile``.
    """

    device: str = "cpu"
    autocast: bool | None = None
    channels_last: bool = True
    compile: bool = False

    @property
    def bfloat16(self) -> bool:
        """Whether networks compute in bfloat16."""
        return self.device.startswith("cuda") if self.autocast is None else self.autocast


def hero(clip_s: Fraction, consistent: bool = False) -> tuple[BackboneSpec, BackboneSpec]:
    """HERO's two streams, ResNet-152 and SlowFast, one row per ``clip_s`` seconds (3/2 or 2 in the paper)."""
    suffix = f"{float(clip_s):g}s" + ("_consistent" if consistent else "")
    return (
        BackboneSpec(f"resnet152_{suffix}", "resnet152", clip_s, consistent),
        BackboneSpec(f"slowfast_r50_{suffix}", "slowfast_r50", clip_s, consistent),
    )


PRESETS: dict[str, tuple[BackboneSpec, ...]] = {
    "demo": (BackboneSpec("efficientnet_lite0", "efficientnet_lite0"),),
    "howto100m": (
        BackboneSpec("resnet152", "resnet152"),
        BackboneSpec("resnext101_3d", "resnext101_3d"),
    ),
    "hero": hero(Fraction(3, 2)),
    "hero_2s": hero(Fraction(2)),
    "consistent": hero(Fraction(3, 2), consistent=True),
    "consistent_2s": hero(Fraction(2), consistent=True),
}
"""Streams that are extracted together: of the demo, of HowTo100M (4,096 numbers in all), and of HERO (4,352)."""

PUBLISHED = "published"
"""The network of streams that exist as published files only."""

PUBLISHED_STREAMS = (
    BackboneSpec("htm_clip_vit_l14", PUBLISHED, Fraction(1)),
    BackboneSpec("htm_internvideo_mm_l14", PUBLISHED, Fraction(1)),
)
"""Features of HowTo100M at one row per second, 768 numbers each (TengdaHan/TemporalAlignNet, htm_zoo)."""

BACKBONES: dict[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        *(spec for preset in PRESETS.values() for spec in preset),
        BackboneSpec("s3d", "s3d"),
        *PUBLISHED_STREAMS,
    )
}
"""Every network by the name of its stream, except the image encoders of ``IMAGE_LIBRARIES``."""

IMAGE_LIBRARIES = ("open_clip", "timm")
"""Libraries whose image encoders are named ``<library>-<architecture>``, such as ``open_clip-ViT-B-32``."""


def find_backbone(name: str) -> BackboneSpec:
    """The network of that name.

    Raises:
        ValueError: no network has that name; the message lists the known names.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    library, _, architecture = name.partition("-")
    if library in IMAGE_LIBRARIES and architecture:
        return BackboneSpec(name, library)
    patterns = (f"{library}-<architecture>" for library in IMAGE_LIBRARIES)
    raise ValueError(f"backbone {name!r}: not known; known are {', '.join((*sorted(BACKBONES), *patterns))}")

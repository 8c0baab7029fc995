"""Options of the visual features, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from ml.vision.presets import PRESETS, BackboneSpec, Weights, find_backbone

FIXED_ROW_RATES = {"efficientnet_lite0": Fraction(1), "resnext101_3d": Fraction(3, 2), "s3d": Fraction(5, 16)}
"""Rows a second of the networks that leave no choice of it."""


def feature_networks(names: str) -> tuple[BackboneSpec, ...]:
    """The networks of a preset, or those named with commas between them.

    Raises:
        ValueError: no preset or network has that name.
    """
    if names in PRESETS:
        return PRESETS[names]
    try:
        return tuple(find_backbone(name.strip()) for name in names.split(","))
    except ValueError as error:
        raise ValueError(f"{error}; presets are {', '.join(PRESETS)}") from None


@dataclass(frozen=True)
class FeatureOptions:
    """Which networks make the features, with which weights, and how they run.

    ``networks`` is a preset's name, or names of streams with commas. ``weights`` are pairs of a network's name and its
    file; a network that is not named brings or fetches its own. ``files`` are pairs of a stream and a folder of
    published features that are read instead of running its network. ``bfloat16`` None means: on CUDA. Batch, device
    and compilation change no result but by rounding; nor do ``ray_actors``, which do the work if there are any, each
    with ``ray_gpus``.
    """

    networks: str
    weights: tuple[tuple[str, Weights], ...] = ()
    files: tuple[tuple[str, Path], ...] = ()
    bfloat16: bool | None = None
    device: str = field(default="auto", repr=False)
    batch: int = field(default=32, repr=False)
    compile: bool = field(default=False, repr=False)
    ray_actors: int = field(default=0, repr=False)
    ray_gpus: float = field(default=0, repr=False)

    @property
    def specs(self) -> tuple[BackboneSpec, ...]:
        """The networks in the order in which their vectors stand."""
        return feature_networks(self.networks)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(spec.name for spec in self.specs)

    def row_rate(self, stream: str) -> Fraction:
        """Rows a second of a stream's published features."""
        spec = find_backbone(stream)
        return 1 / spec.clip_s if spec.clip_s else FIXED_ROW_RATES.get(spec.network, Fraction(1))

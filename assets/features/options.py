"""Options of the visual features, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ml.vision.presets import PRESETS, BackboneSpec, Weights, find_backbone


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
    file; a network that is not named brings or fetches its own. ``bfloat16`` None means: on CUDA. Batch, device and
    compilation change no result but by rounding.
    """

    networks: str
    weights: tuple[tuple[str, Weights], ...] = ()
    bfloat16: bool | None = None
    device: str = field(default="auto", repr=False)
    batch: int = field(default=32, repr=False)
    compile: bool = field(default=False, repr=False)

    @property
    def specs(self) -> tuple[BackboneSpec, ...]:
        """The networks in the order in which their vectors stand."""
        return feature_networks(self.networks)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(spec.name for spec in self.specs)

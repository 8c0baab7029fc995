"""Options of the visual features, free of torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from assets.contents import Contents
from assets.options import Compile, ContentOf, Device, ExistingFolder, Options, SameResult, Variable, named
from ml.vision.presets import BACKBONES, IMAGE_LIBRARIES, PRESETS, PUBLISHED, BackboneSpec, Weights, find_backbone

FIXED_ROW_RATES = {"efficientnet_lite0": Fraction(1), "resnext101_3d": Fraction(3, 2), "s3d": Fraction(5, 16)}
"""Rows per second of the networks whose rate cannot be chosen."""

NETWORKS = tuple(
    dict.fromkeys([*(spec.network for spec in BACKBONES.values() if spec.network != PUBLISHED), *IMAGE_LIBRARIES])
)
"""Names of the networks that can be given weights."""

_SHA256 = re.compile(r"[0-9a-fA-F]{8,64}")


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


def _must_name_networks(names: str) -> str:
    feature_networks(names)
    return names


def _read_weights(value: object) -> object:
    """Weights of ``path``, ``path#SHA-256`` or ``address#SHA-256``.

    Raises:
        ValueError: the file is missing, or an address has no SHA-256.
    """
    if not isinstance(value, str):
        return value
    source, _, sha256 = value.partition("#")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise ValueError("the part after # must be 8 to 64 hexadecimal digits of a SHA-256")
    if source.startswith(("http://", "https://")):
        if not sha256:
            raise ValueError("an address of weights needs the SHA-256 of the file: address#SHA-256")
        return Weights(source, sha256)
    path = Path(source).expanduser()
    if not path.is_file():
        raise ValueError(f"{source}: no such file")
    return Weights(str(path), sha256 or None)


def _must_be_known(weights: Mapping[str, Weights]) -> Mapping[str, Weights]:
    unknown = [network for network in weights if network not in NETWORKS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such network; networks are {', '.join(NETWORKS)}")
    return weights


def _weights_version(weights: Mapping[str, Weights], contents: Contents) -> Any:
    return {
        network: contents.version(Path(given.source)) or (given.sha256 or given.source).lower()
        for network, given in weights.items()
    }


@dataclass(frozen=True)
class FeatureOptions(Options):
    """Which networks make the features, with which weights, and how they run.

    A network that ``weights`` does not name brings or fetches its own. ``files`` are folders of published features by
    stream, which are read instead of running the network. ``ray_actors`` do the work if there are any, each with
    ``ray_gpus``.
    """

    group: ClassVar = "Features"

    networks: Annotated[
        str,
        Variable("features"),
        AfterValidator(_must_name_networks),
        Field(description=f"networks of the features: a preset ({', '.join(PRESETS)}), or names with commas"),
    ] = "demo"
    weights: Annotated[
        Mapping[str, Annotated[Weights, BeforeValidator(_read_weights)]],
        Variable("weights"),
        BeforeValidator(named),
        AfterValidator(_must_be_known),
        ContentOf(_weights_version),
        Field(description="files of weights, with commas: network=path or network=address#SHA-256"),
    ] = field(default_factory=dict)
    files: Annotated[
        Mapping[str, ExistingFolder],
        Variable("feature_files"),
        BeforeValidator(named),
        Field(description="published features to read instead of running a network, with commas: stream=folder"),
    ] = field(default_factory=dict)
    bfloat16: Annotated[
        bool | None, Field(description="compute features in bfloat16; not set: where there is CUDA")
    ] = None
    device: Device = "auto"
    batch: Annotated[
        int,
        Variable("feature_batch"),
        SameResult,
        Field(ge=1, description="pictures that a feature network computes at once"),
    ] = 32
    compile: Compile = False
    ray_actors: Annotated[int, SameResult] = 0
    ray_gpus: Annotated[float, SameResult] = 0

    @property
    def specs(self) -> tuple[BackboneSpec, ...]:
        """The networks, in the order of their vectors."""
        return feature_networks(self.networks)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(spec.name for spec in self.specs)

    def row_rate(self, stream: str) -> Fraction:
        """Rows per second of a stream's published features."""
        spec = find_backbone(stream)
        return 1 / spec.clip_s if spec.clip_s else FIXED_ROW_RATES.get(spec.network, Fraction(1))

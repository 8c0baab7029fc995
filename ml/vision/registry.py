"""Networks by name. The module of a network, and torch, is imported when the network is loaded."""

from __future__ import annotations

from importlib import import_module

from ml.vision.backbone import Backbone
from ml.vision.presets import BackboneSpec, Options, Weights, find_backbone

NETWORKS = {
    "efficientnet_lite0": "ml.vision.efficientnet_lite0:EfficientNetLite0",
    "resnet152": "ml.vision.resnet152:ResNet152",
    "resnext101_3d": "ml.vision.resnext101_3d:ResNeXt101",
    "slowfast_r50": "ml.vision.slowfast_r50:SlowFastR50",
    "s3d": "ml.vision.s3d:S3D",
    "open_clip": "ml.vision.image_text:OpenClip",
    "timm": "ml.vision.image_text:Timm",
}
"""Module and class of each network."""


def load_backbone(
    backbone: str | BackboneSpec, options: Options | None = None, weights: Weights | None = None
) -> Backbone:
    """A network with its trained weights, ready to run.

    Args:
        backbone: a name or one of a preset's.
        options: device and precision; by default the CPU in full precision.
        weights: file of the parameters; None for those that the network includes or downloads.

    Raises:
        ValueError: no network has that name; the message lists the known names.
        WeightsError: the weights are missing, have another SHA-256, or belong to another network.
        ImportError: the library of the network is not installed; the message names the extra.
    """
    spec = find_backbone(backbone) if isinstance(backbone, str) else backbone
    module, _, network = NETWORKS[spec.network].partition(":")
    loaded: Backbone = getattr(import_module(module), network)(spec, options or Options(), weights)
    return loaded

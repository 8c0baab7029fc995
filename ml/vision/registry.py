"""The image networks by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ml.vision.backbone import Backbone
from ml.vision.efficientnet_lite0 import EfficientNetLite0

BACKBONES: dict[str, Callable[[torch.device], Backbone]] = {EfficientNetLite0.name: EfficientNetLite0}


def load_backbone(name: str, device: torch.device | str = "cpu") -> Backbone:
    """The network of that name with its weights, on a device.

    Raises:
        ValueError: no network has that name; the message lists those that are known.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r}: not known; known are {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name](torch.device(device))

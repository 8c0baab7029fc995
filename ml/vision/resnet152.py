"""ResNet-152 with ImageNet weights, as HowTo100M and HERO extract their 2D features (arXiv 1512.03385)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from torch import Tensor, nn
from torchvision.models import ResNet152_Weights, resnet152

from ml.vision.presets import Weights
from ml.vision.published import PublishedNetwork
from ml.vision.runtime import Normalisation
from ml.vision.sampling import Sampling, SourceVideo

SHORT_S = 0.1
"""HERO uses a higher rate for videos that are shorter than ``clip_s`` plus this."""


class ResNet152(PublishedNetwork):
    """Average over the whole grid of the last convolution, whatever its size; 2,048 numbers of unit length per picture.

    The shorter side is 224 and nothing is cropped. HowTo100M (``clip_s`` is None) uses one picture per second; HERO one
    per ``clip_s`` seconds, but 2 / max(int(duration), 1) per second for videos shorter than ``clip_s`` + 0.1 s. In
    ``consistent`` streams the rate does not depend on the video, and row i shows the time ``i * clip_s``.
    """

    published = Weights(ResNet152_Weights.IMAGENET1K_V1.url, "394f9c45")
    """torchvision names its files after the first digits of their SHA-256."""
    normalisation = Normalisation(255.0, (0.485, 0.456, 0.406), (0.229 + 1e-8, 0.224 + 1e-8, 0.225 + 1e-8))
    pictures, unit_length = True, True
    unused = ("fc.",)

    def build(self, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
        network = resnet152()
        network.fc = nn.Identity()
        return network, 2048

    def recipe(self) -> object:
        return self.spec.clip_s, self.spec.consistent

    def sampling(self, video: SourceVideo) -> Sampling:
        """The rate of HowTo100M or of HERO; HERO's depends on the duration of very short videos."""
        return picture_sampling(self.spec.clip_s, self.spec.consistent, video)


def picture_sampling(clip_s: Fraction | None, consistent: bool, video: SourceVideo) -> Sampling:
    """One picture per second if ``clip_s`` is None, else one per ``clip_s`` seconds.

    HERO's exception for short videos applies unless ``consistent``.
    """
    rate = Fraction(1) if clip_s is None else 1 / clip_s
    if consistent:
        return Sampling(rate, short_side=224, centre_crop=None, rule="at")
    if clip_s is not None and 0 < video.duration_s < float(clip_s) + SHORT_S:
        rate = Fraction(2, max(int(video.duration_s), 1))
    return Sampling(rate, short_side=224, centre_crop=None)

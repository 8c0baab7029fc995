"""3D ResNeXt-101 on 16 frames, trained on Kinetics-400: HowTo100M's 3D features (arXiv 1711.09577).

Parameter names are those of the checkpoints of 3D-ResNets-PyTorch, of which HowTo100M's is one (there
``sample_size=112, sample_duration=16``, shortcut type B, 32 groups).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from torch import Tensor, nn

from ml.vision.presets import Weights
from ml.vision.published import PublishedNetwork
from ml.vision.runtime import Normalisation
from ml.vision.sampling import Sampling


class ResNeXt101(PublishedNetwork):
    """Average over space and time of the last convolution: 2,048 numbers of unit length, 1.5 rows per second.

    A clip is 16 frames at 24 per second; the last one is padded with black before normalisation.
    """

    published = Weights("https://www.rocq.inria.fr/cluster-willow/amiech/howto100m/models/resnext101.pth")
    normalisation = Normalisation(1.0, (110.6, 103.2, 96.3), (1.0, 1.0, 1.0))
    pictures, unit_length = False, True
    unused = ("fc.",)
    fixed_sampling = Sampling(Fraction(24), short_side=112, centre_crop=112, clip_frames=16, padding="zero")

    def build(self, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
        network = ResNeXt3D()
        return network, network.dim


class ResNeXt3D(nn.Module):
    """``clips[n, 3, time, height, width]`` to ``vectors[n, 32 * width]``.

    Args:
        depths: blocks of each of the four stages.
        width: channels after the first convolution; the last stage has 32 times as many.
        groups: of the middle convolution of a block.
    """

    def __init__(self, depths: tuple[int, int, int, int] = (3, 4, 23, 3), width: int = 64, groups: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, width, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        outputs = [4 * width << stage for stage in range(4)]
        inputs = [width, *outputs[:-1]]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(*channels, depth, stride=1 if stage == 0 else 2, groups=groups)
            for stage, (channels, depth) in enumerate(zip(zip(inputs, outputs, strict=True), depths, strict=True))
        )
        self.dim = outputs[-1]

    def forward(self, clips: Tensor) -> Tensor:
        maps = self.maxpool(self.relu(self.bn1(self.conv1(clips))))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        return maps.mean((2, 3, 4))


class _Block(nn.Module):
    """1x1x1, grouped 3x3x3, 1x1x1 convolutions with a shortcut, which is a convolution if the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        middle = outputs // 2
        self.conv1 = nn.Conv3d(inputs, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(middle)
        self.conv2 = nn.Conv3d(middle, middle, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm3d(middle)
        self.conv3 = nn.Conv3d(middle, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        maps = self.relu(self.bn1(self.conv1(maps)))
        maps = self.relu(self.bn2(self.conv2(maps)))
        return self.relu(self.bn3(self.conv3(maps)).add_(shortcut))


def _stage(inputs: int, outputs: int, depth: int, stride: int, groups: int) -> nn.Sequential:
    first = _Block(inputs, outputs, stride, groups)
    return nn.Sequential(first, *(_Block(outputs, outputs, 1, groups) for _ in range(depth - 1)))

"""S3D-G trained on HowTo100M by MIL-NCE (arXiv 1912.06430; the network: arXiv 1712.04851).

Parameter names are those of the published ``s3d_howto100m.pth``, whose first convolution has 2x2x2 neighbours as
channels. Checkpoints of the training program MIL-NCE_HowTo100M have a first convolution over pixels instead. See
``ml.text_video.s3d`` for the text tower and the projection to the joint space.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.vision.presets import Weights
from ml.vision.published import PublishedNetwork
from ml.vision.runtime import Normalisation
from ml.vision.sampling import Sampling

MIXED = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of each mixed block: branch 0; branch 1 between and after; branch 2 between and after; branch 3."""

STEM = "conv1.conv1.weight"
"""The first convolution."""


class S3D(PublishedNetwork):
    """Average over space and time of the last mixed block (``mixed_5c``): 1,024 numbers.

    A clip is 16 frames at 5 per second, 3.2 s, as in the training of MIL-NCE; the last one is padded with black.
    """

    published = Weights("https://www.rocq.inria.fr/cluster-willow/amiech/howto100m/s3d_howto100m.pth")
    normalisation = Normalisation(255.0, (0.0,) * 3, (1.0,) * 3)
    pictures, unit_length = False, False
    unused = ("fc.", "text_module.")
    fixed_sampling = Sampling(Fraction(5), short_side=224, centre_crop=224, clip_frames=16, padding="zero")

    def build(self, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
        network = GatedS3D(space_to_depth=has_space_to_depth(state))
        return network, network.dim


def has_space_to_depth(state: Mapping[str, Tensor]) -> bool:
    """Whether the first convolution of a checkpoint takes 2x2x2 neighbours as channels, 8 for each colour."""
    found = next((tensor for name, tensor in state.items() if name.removeprefix("module.") == STEM), None)
    return found is None or found.shape[1] != 3


class GatedS3D(nn.Module):
    """``clips[n, 3, time, height, width]``, each length even, to ``vectors[n, 1024 // thinner]``.

    Args:
        thinner: divisor of the channels of all layers.
        space_to_depth: whether the first convolution takes 2x2x2 neighbours as channels.
    """

    def __init__(self, thinner: int = 1, space_to_depth: bool = True) -> None:
        super().__init__()
        stem, grown = 64 // thinner, 192 // thinner
        self.space_to_depth = space_to_depth
        if space_to_depth:
            self.conv1 = _Convolution(24, stem, (2, 4, 4), padding=(1, 2, 2))
        else:
            self.conv1 = _Convolution(3, stem, (3, 7, 7), padding=(1, 3, 3), stride=2)
        self.conv_2b = _Convolution(stem, stem)
        self.conv_2c = _Separable(stem, grown)
        self.gating = _Gate(grown)
        channels = grown
        for name, widths in MIXED.items():
            block = _Mixed(channels, [width // thinner for width in widths])
            self.add_module(name, block)
            channels = block.channels
        self.dim = channels

    def forward(self, clips: Tensor) -> Tensor:
        if self.space_to_depth:
            # An even kernel with padding on both sides gives one extra value at each start.
            maps = self.conv1(_neighbours_as_channels(clips))[:, :, 1:, 1:, 1:]
        else:
            maps = self.conv1(clips)
        maps = self.conv_2c(self.conv_2b(_pool(maps, 1, 3)))
        maps = _pool(self.gating(maps), 1, 3)
        for name in MIXED:
            if name == "mixed_4b":
                maps = _pool(maps, 3, 3)
            elif name == "mixed_5b":
                maps = _pool(maps, 2, 2)
            maps = getattr(self, name)(maps)
        return maps.mean((2, 3, 4))


def _neighbours_as_channels(clips: Tensor) -> Tensor:
    """``[n, c, t, h, w]`` to ``[n, 8 c, t / 2, h / 2, w / 2]``; the position in the 2x2x2 cube varies slowest."""
    n, c, t, h, w = clips.shape
    cubes = clips.reshape(n, c, t // 2, 2, h // 2, 2, w // 2, 2)
    return cubes.permute(0, 3, 5, 7, 1, 2, 4, 6).reshape(n, 8 * c, t // 2, h // 2, w // 2)


def _pool(maps: Tensor, frames: int, side: int) -> Tensor:
    """Maximum over windows with stride two (one over time for windows of one frame), padded as in TensorFlow.

    Padding is at the far ends only; zeros do not change the maximum, because no value is negative.
    """
    stride = (1 if frames == 1 else 2, 2, 2)
    behind = side - 2
    maps = functional.pad(maps, (0, behind, 0, behind, 0, frames - stride[0]))
    return functional.max_pool3d(maps, (frames, side, side), stride, ceil_mode=True)


class _Convolution(nn.Module):
    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int, int] = (1, 1, 1),
        padding: tuple[int, int, int] = (0, 0, 0),
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn1(self.conv1(maps)).relu_()


class _Separable(nn.Module):
    """A convolution over 3x3 places, then one over 3 frames."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn2 = nn.BatchNorm3d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.bn1(self.conv1(maps)).relu_()
        return self.bn2(self.conv2(maps)).relu_()


class _Gate(nn.Module):
    """``x * sigmoid(W mean(x) + b)``, the mean over space and time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        return maps * torch.sigmoid(self.fc(maps.mean((2, 3, 4))))[:, :, None, None, None]


class _Mixed(nn.Module):
    """Four parallel branches, each gated: 1x1x1; two separable ones; the maximum of 3x3x3, then 1x1x1."""

    def __init__(self, inputs: int, widths: list[int]) -> None:
        super().__init__()
        straight, between1, after1, between2, after2, pooled = widths
        self.conv_b0 = _Convolution(inputs, straight)
        self.conv_b1_a = _Convolution(inputs, between1)
        self.conv_b1_b = _Separable(between1, after1)
        self.conv_b2_a = _Convolution(inputs, between2)
        self.conv_b2_b = _Separable(between2, after2)
        self.conv_b3_b = _Convolution(inputs, pooled)
        self.gating_b0 = _Gate(straight)
        self.gating_b1 = _Gate(after1)
        self.gating_b2 = _Gate(after2)
        self.gating_b3 = _Gate(pooled)
        self.channels = straight + after1 + after2 + pooled

    def forward(self, maps: Tensor) -> Tensor:
        pooled = functional.max_pool3d(maps, 3, stride=1, padding=1)
        branches = (
            self.gating_b0(self.conv_b0(maps)),
            self.gating_b1(self.conv_b1_b(self.conv_b1_a(maps))),
            self.gating_b2(self.conv_b2_b(self.conv_b2_a(maps))),
            self.gating_b3(self.conv_b3_b(pooled)),
        )
        return torch.cat(branches, dim=1)

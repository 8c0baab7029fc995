"""SlowFast 8x8 R50, trained on Kinetics-400: HERO's 3D features (arXiv 1812.03982).

Parameter names are those of PySlowFast; its published Kinetics file has Caffe2's names, which are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import cast

import torch
from torch import Tensor, nn

from ml.vision.presets import Weights
from ml.vision.published import PublishedNetwork
from ml.vision.runtime import Normalisation
from ml.vision.sampling import Sampling, SourceVideo

FRAME_RATE = 30
FAST_FRAMES = 32
SAMPLING_RATE = 2
SLOW_OF_FAST = (0, 4, 8, 13, 17, 22, 26, 31)
"""Frames of the fast pathway that the slow one gets: 8 evenly spaced ones of 32, truncated."""
FAST_PER_SLOW = 4
TRAINING_ONLY = ("lr", "model_iter")
"""Blobs of Caffe2 that are not parameters; neither are those whose names end with ``_momentum``."""


class SlowFastR50(PublishedNetwork):
    """Averages over space and time of the last convolutions: 2,048 numbers of the slow pathway, then 256 of the fast.

    A row covers ``clip_s`` seconds at 30 frames per second. HERO's 32 frames of a clip depend on the frame rate of the
    file (``fast_offsets``); in ``consistent`` streams they are evenly spaced over the clip.
    """

    published = Weights("https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/kinetics400/SLOWFAST_8x8_R50.pkl")
    normalisation = Normalisation(255.0, (0.45,) * 3, (0.225 + 1e-8,) * 3)
    pictures, unit_length = False, False
    unused = ("head.",)

    def build(self, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
        network = SlowFast()
        return network, network.dim

    def renamed(self, network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return with_own_names(cast(SlowFast, network), state)

    @property
    def clip_s(self) -> Fraction:
        """Seconds of a row."""
        return self.spec.clip_s or Fraction(3, 2)

    def recipe(self) -> object:
        return self.clip_s, self.spec.consistent

    def sampling(self, video: SourceVideo) -> Sampling:
        """32 frames of each clip; in HERO's extraction they depend on the video's frame rate."""
        return clip_sampling(self.clip_s, self.spec.consistent, video)


def clip_sampling(clip_s: Fraction, consistent: bool, video: SourceVideo) -> Sampling:
    """32 frames of each clip of ``clip_s`` seconds, by HERO's rule or evenly spaced.

    Raises:
        ValueError: ``clip_s`` is not a whole number of frames.
    """
    if (clip_s * FRAME_RATE).denominator != 1:
        raise ValueError(f"clip_s={clip_s}: not a whole number of frames at {FRAME_RATE} per second")
    clip_frames = int(clip_s * FRAME_RATE)
    return Sampling(
        Fraction(FRAME_RATE),
        short_side=224,
        centre_crop=224,
        clip_frames=clip_frames,
        offsets=even_offsets(clip_frames) if consistent else fast_offsets(clip_frames, video.frame_rate),
        rule="at" if consistent else "middle",
    )


def fast_offsets(clip_frames: int, frame_rate: float) -> tuple[int, ...]:
    """HERO's 32 frames of a clip: ``linspace(0, 64 F / 30 - 1, 32)``, cut to the clip's last frame and truncated.

    F is the mean frame rate of the file, rounded down, although its frames were resampled to 30 per second before.
    """
    last = FAST_FRAMES * SAMPLING_RATE * int(frame_rate) / FRAME_RATE - 1
    # Single precision as in the published extraction: it determines how positions near whole numbers are truncated.
    return tuple(torch.linspace(0, last, FAST_FRAMES).clamp(0, clip_frames - 1).long().tolist())


def even_offsets(clip_frames: int) -> tuple[int, ...]:
    """32 evenly spaced frames from the first of a clip to its last."""
    return tuple(frame * (clip_frames - 1) // (FAST_FRAMES - 1) for frame in range(FAST_FRAMES))


class SlowFast(nn.Module):
    """``clips[n, 3, 32, height, width]`` to ``vectors[n, 36 * width]``: the slow pathway's, then the fast one's.

    Args:
        depths: blocks of each of the four residual stages.
        width: channels of the slow pathway after its first convolution; the fast one has an eighth.
    """

    def __init__(self, depths: tuple[int, int, int, int] = (3, 4, 6, 3), width: int = 64) -> None:
        super().__init__()
        self.depths = depths
        fast_width = width // 8
        self.s1 = nn.ModuleDict({"pathway0_stem": _Stem(width, frames=1), "pathway1_stem": _Stem(fast_width, frames=5)})
        self.s1_fuse = _Lateral(fast_width)
        slow, fast = width, fast_width
        for stage, depth in enumerate(depths, start=2):
            stride, middle = 1 if stage == 2 else 2, 1 << (stage - 2)
            # The lateral connection doubles the channels of the fast pathway.
            blocks = _blocks(0, slow + 2 * fast, width * middle, depth, stride, frames=1 if stage < 4 else 3)
            blocks |= _blocks(1, fast, fast_width * middle, depth, stride, frames=3)
            slow, fast = 4 * width * middle, 4 * fast_width * middle
            setattr(self, f"s{stage}", nn.ModuleDict(blocks))
            if stage < 5:
                setattr(self, f"s{stage}_fuse", _Lateral(fast))
        self.dim = slow + fast

    def forward(self, clips: Tensor) -> Tensor:
        slow = self.s1["pathway0_stem"](clips[:, :, SLOW_OF_FAST])
        fast = self.s1["pathway1_stem"](clips)
        for stage, depth in enumerate(self.depths, start=2):
            slow = torch.cat((slow, getattr(self, f"s{stage - 1}_fuse")(fast)), dim=1)
            blocks = getattr(self, f"s{stage}")
            for index in range(depth):
                slow = blocks[f"pathway0_res{index}"](slow)
                fast = blocks[f"pathway1_res{index}"](fast)
        return torch.cat((slow.mean((2, 3, 4)), fast.mean((2, 3, 4))), dim=1)


class _Stem(nn.Module):
    def __init__(self, outputs: int, frames: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, outputs, (frames, 7, 7), stride=(1, 2, 2), padding=(frames // 2, 3, 3), bias=False)
        self.bn = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))

    def forward(self, clips: Tensor) -> Tensor:
        return self.pool(self.relu(self.bn(self.conv(clips))))


class _Lateral(nn.Module):
    """From the fast pathway to the slow one: a convolution over 7 frames with stride 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_f2s = nn.Conv3d(
            channels, 2 * channels, (7, 1, 1), stride=(FAST_PER_SLOW, 1, 1), padding=(3, 0, 0), bias=False
        )
        self.bn = nn.BatchNorm3d(2 * channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, fast: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv_f2s(fast)))


class _Bottleneck(nn.Module):
    """Convolutions over time, over space, and over channels only."""

    def __init__(self, inputs: int, middle: int, stride: int, frames: int) -> None:
        super().__init__()
        self.a = nn.Conv3d(inputs, middle, (frames, 1, 1), padding=(frames // 2, 0, 0), bias=False)
        self.a_bn = nn.BatchNorm3d(middle)
        self.b = nn.Conv3d(middle, middle, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False)
        self.b_bn = nn.BatchNorm3d(middle)
        self.c = nn.Conv3d(middle, 4 * middle, 1, bias=False)
        self.c_bn = nn.BatchNorm3d(4 * middle)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.relu(self.a_bn(self.a(maps)))
        maps = self.relu(self.b_bn(self.b(maps)))
        return self.c_bn(self.c(maps))


class _Residual(nn.Module):
    """``branch1`` is the shortcut, if the shape changes; ``branch2`` is added to it."""

    def __init__(self, inputs: int, middle: int, stride: int, frames: int) -> None:
        super().__init__()
        self.changes_shape = inputs != 4 * middle or stride != 1
        if self.changes_shape:
            self.branch1 = nn.Conv3d(inputs, 4 * middle, 1, stride=(1, stride, stride), bias=False)
            self.branch1_bn = nn.BatchNorm3d(4 * middle)
        self.branch2 = _Bottleneck(inputs, middle, stride, frames)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = self.branch1_bn(self.branch1(maps)) if self.changes_shape else maps
        return self.relu(self.branch2(maps).add_(shortcut))


def _blocks(pathway: int, inputs: int, middle: int, depth: int, stride: int, frames: int) -> dict[str, nn.Module]:
    blocks: dict[str, nn.Module] = {}
    for index in range(depth):
        first = index == 0
        blocks[f"pathway{pathway}_res{index}"] = _Residual(
            inputs if first else 4 * middle, middle, stride if first else 1, frames
        )
    return blocks


def with_own_names(network: SlowFast, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters under PySlowFast's names; those with Caffe2's names are renamed."""
    if "conv1_w" not in state:
        return dict(state)
    names = (name for name in network.state_dict() if not name.endswith("num_batches_tracked"))
    own = {caffe2_name(name, network.depths): name for name in names}
    own |= {"pred_w": "head.projection.weight", "pred_b": "head.projection.bias"}
    return {
        own.get(name, name): tensor
        for name, tensor in state.items()
        if name not in TRAINING_ONLY and not name.endswith("_momentum")
    }


_CAFFE2_KINDS = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}


def caffe2_name(name: str, depths: tuple[int, int, int, int] = (3, 4, 6, 3)) -> str:
    """Caffe2's name of a parameter: ``s4.pathway1_res0.branch2.a_bn.running_var`` is ``t_res4_0_branch2a_bn_riv``.

    The fast pathway's names begin with ``t_``. The connections between pathways follow the last block of a stage.
    """
    place, _, kind = name.rpartition(".")
    suffix = f"bn_{_CAFFE2_KINDS[kind]}" if place.endswith("bn") else "w"
    if lateral := re.fullmatch(r"s(\d)_fuse\.(?:conv_f2s|bn)", place):
        stage = int(lateral[1])
        source = "pool1" if stage == 1 else f"res{stage}_{depths[stage - 2] - 1}_branch2c_bn"
        return f"t_{source}_subsample_{suffix}"
    if stem := re.fullmatch(r"s1\.pathway(\d)_stem\.(?:conv|bn)", place):
        return ("t_" if stem[1] == "1" else "") + ("conv1_w" if suffix == "w" else f"res_conv1_{suffix}")
    block = re.fullmatch(r"s(\d)\.pathway(\d)_res(\d+)\.(branch1|branch2\.[abc])(?:_bn)?", place)
    if block is None:
        raise ValueError(f"{name}: not a parameter of SlowFast")
    stage_name, pathway, index, branch = block.groups()
    return ("t_" if pathway == "1" else "") + f"res{stage_name}_{index}_{branch.replace('.', '')}_{suffix}"

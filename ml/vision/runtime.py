"""How frozen networks run: device, precision, memory layout, normalisation of pictures, batches of clips.

See ``ml.vision.published`` for networks with published weights.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ml.files import content_hash
from ml.host_memory import keep_freed_memory
from ml.vision.presets import Options

VERSION = 1
"""Increased when vectors change although weights and recipe do not; part of every fingerprint."""

Colour = tuple[float, float, float]


class Normalisation(NamedTuple):
    """Pictures x of 0 to 255 become ``(x / divisor - mean) / std``, by colour: red, green, blue."""

    divisor: float
    mean: Colour
    std: Colour


class FrozenNetwork:
    """A module with trained weights that turns clips into vectors; the base of all networks.

    Args:
        name: name of the stream.
        dim: numbers in a vector.
        module: ``[n, 3, height, width]`` if ``pictures``, else ``[n, 3, time, height, width]``, to ``[n, dim]``.
        normalisation: of the pictures.
        pictures: whether a clip is one picture.
        unit_length: whether vectors are divided by their Euclidean length.
        weights_sha256: SHA-256 of the file of weights.
        recipe: everything else that vectors depend on (sampling, options of the network); its ``repr`` is recorded.
        options: device and precision.
    """

    def __init__(
        self,
        *,
        name: str,
        dim: int,
        module: nn.Module,
        normalisation: Normalisation,
        pictures: bool,
        unit_length: bool,
        weights_sha256: str,
        recipe: object,
        options: Options,
    ) -> None:
        self.name, self.dim, self.options = name, dim, options
        self.pictures, self.unit_length = pictures, unit_length
        facts = (VERSION, weights_sha256, normalisation, pictures, unit_length, recipe, options.bfloat16)
        self.fingerprint = content_hash(facts, digits=64)
        self.device = torch.device(options.device)
        colours = (1, 3) + (1,) * (2 if pictures else 3)
        self._mean = (torch.tensor(normalisation.mean) * normalisation.divisor).view(colours).to(self.device)
        self._std = (torch.tensor(normalisation.std) * normalisation.divisor).view(colours).to(self.device)
        self.module = module.requires_grad_(False).eval().to(self.device)
        if options.bfloat16:
            hold_in_bfloat16(self.module)
        if self.device.type == "cpu":
            keep_freed_memory()
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # all batches but the last have one size
        if options.channels_last:
            self.module.to(memory_format=torch.channels_last if pictures else torch.channels_last_3d)
        self._run = torch.compile(self.module) if options.compile else self.module

    @torch.inference_mode()
    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB ``clips[n, pictures, height, width, 3]`` to ``vectors[n, dim]``."""
        inputs = self.normalised(clips)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.bfloat16):
            vectors: Tensor = self._run(inputs)
        vectors = vectors.float()
        if self.unit_length:
            vectors = functional.normalize(vectors, dim=1)
        return vectors.cpu().numpy()

    def normalised(self, clips: NDArray[np.uint8]) -> Tensor:
        """Input of the module: ``[n, 3, height, width]``, or ``[n, 3, time, height, width]``, float32."""
        # A permuted view of [..., height, width, 3] is already channels-last in memory.
        inputs = torch.from_numpy(clips).to(self.device).permute(0, 4, 1, 2, 3)
        if self.pictures:
            inputs = inputs.squeeze(2)
        if not self.options.channels_last:
            inputs = inputs.contiguous()
        return inputs.float().sub_(self._mean).div_(self._std)


def hold_in_bfloat16(module: nn.Module) -> None:
    """Convert the weights that autocast would convert at every call, because they are frozen, to the same values."""
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Conv3d | nn.Linear):
            each.to(torch.bfloat16)


def fold_batch_norms(module: nn.Module) -> None:
    """Merge trained batch normalisations into the convolutions before them, for fewer passes over memory.

    The two must be consecutive in their parent, in the order in which they run. With channels-last memory
    this doubles the speed of ResNet-152 on a CPU, and triples it in bfloat16.
    """
    for (name, child), (next_name, following) in pairwise(list(module.named_children())):
        if isinstance(child, nn.Conv2d | nn.Conv3d) and isinstance(following, nn.BatchNorm2d | nn.BatchNorm3d):
            setattr(module, name, fuse_conv_bn_eval(child, following))
            setattr(module, next_name, nn.Identity())
    for child in module.children():
        fold_batch_norms(child)

"""Frame order modelling (FOM, HERO section 3.2): the model predicts the original positions of shuffled frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ml.distributed import AllGather, Rows, mean_over_processes
from ml.hero.batch import AlignedVideo, HeroBatch, collate
from ml.hero.model import Hero

SHARE = 0.15


class ShuffledFrames(NamedTuple):
    """``shuffle[frames]`` is the frame at each position; ``picked[n]`` are the positions that were shuffled."""

    batch: HeroBatch
    shuffle: Tensor
    picked: Tensor


def draw(videos: Sequence[AlignedVideo], generators: Sequence[np.random.Generator]) -> ShuffledFrames:
    """Permute some frames of every video among themselves: at least two, if the video has as many."""
    orders, places = [], []
    first = 0
    for video, rng in zip(videos, generators, strict=True):
        count = len(video.features)
        chosen = np.flatnonzero(rng.random(count) < SHARE)
        if len(chosen) < 2:
            chosen = np.sort(rng.permutation(count)[:2])
        order = np.arange(count)
        order[chosen] = rng.permutation(chosen)
        orders.append(first + order)
        places.append(first + chosen[: 0 if count < 2 else None])
        first += count
    return ShuffledFrames(
        collate(videos), torch.from_numpy(np.concatenate(orders)), torch.from_numpy(np.concatenate(places))
    )


def logits(model: Hero, drawn: ShuffledFrames) -> tuple[Tensor, Tensor]:
    """Logits of the original position of each picked frame ``[n, max_frames]``, and that position ``[n]``."""
    frames = model.contextual(drawn.batch, shuffle=drawn.shuffle)
    return model.frame_order(frames[drawn.picked]).float(), drawn.batch.frame_places[drawn.shuffle[drawn.picked]]


def rows(model: Hero, drawn: ShuffledFrames) -> Rows:
    """The cross entropy of each picked frame ``losses[n]``."""
    return {"losses": functional.cross_entropy(*logits(model, drawn), reduction="none")}


def loss(given: Rows, all_gather: AllGather) -> Tensor:
    """Mean over the picked frames."""
    return mean_over_processes(given["losses"], all_gather)

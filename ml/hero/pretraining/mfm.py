"""Masked frame modelling (MFM, HERO section 3.2): features of hidden frames, from the other frames and the subtitles.

Its two objectives are to identify the hidden frame among others (MNCE) and to regress its features (MFFR).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ml.distributed import AllGather, Rows, mean_over_processes
from ml.hero.batch import AlignedVideo, HeroBatch, collate
from ml.hero.model import Hero

SHARE = 0.15


class MaskedFrames(NamedTuple):
    """``masked[frames]`` is true for frames whose features are hidden, in both transformers.

    ``hidden[masked]`` are the numbers of these frames and ``visible`` those of the others.
    """

    batch: HeroBatch
    masked: Tensor
    hidden: Tensor
    visible: Tensor


def draw(videos: Sequence[AlignedVideo], generators: Sequence[np.random.Generator]) -> MaskedFrames:
    """Hide frames of every video, at least one."""
    of_videos = []
    for video, rng in zip(videos, generators, strict=True):
        masked = rng.random(len(video.features)) < SHARE
        if not masked.any():
            masked[rng.integers(len(masked))] = True
        of_videos.append(masked)
    masked = np.concatenate(of_videos)
    numbers = (torch.from_numpy(np.flatnonzero(each)) for each in (masked, ~masked))
    return MaskedFrames(collate(videos), torch.from_numpy(masked), *numbers)


def contrastive_rows(model: Hero, drawn: MaskedFrames) -> Rows:
    """``predicted`` and ``targets[masked, dim]`` of hidden frames; ``others[visible, dim]`` are other outputs."""
    outputs = model.frame_features(model.contextual(drawn.batch, drawn.masked)).float()
    return {
        "predicted": outputs[drawn.hidden],
        "targets": drawn.batch.features(drawn.hidden),
        "others": outputs[drawn.visible],
    }


def contrastive_loss(given: Rows, all_gather: AllGather) -> Tensor:
    """MNCE: cross entropy of ``p_i · r_i`` among the targets of hidden frames and the outputs of visible ones."""
    predicted = given["predicted"]
    right = (predicted * given["targets"]).sum(1)
    choices = torch.cat([all_gather(given["targets"]), all_gather(given["others"])])
    scores = predicted @ choices.T
    # Smaller scores do not change the sum of exponentials; their gradients are subnormal, which is slow on CPUs.
    least = scores.detach().amax(1, keepdim=True) - 40
    return mean_over_processes(scores.clamp(min=least).logsumexp(1) - right, all_gather)


def regression_rows(model: Hero, drawn: MaskedFrames) -> Rows:
    """Euclidean distance of each hidden frame's prediction from its features ``losses[masked]``."""
    outputs = model.frame_features(model.contextual(drawn.batch, drawn.masked)[drawn.hidden]).float()
    return {"losses": torch.linalg.vector_norm(outputs - drawn.batch.features(drawn.hidden), dim=1)}


def regression_loss(given: Rows, all_gather: AllGather) -> Tensor:
    """MFFR: mean over the hidden frames."""
    return mean_over_processes(given["losses"], all_gather)

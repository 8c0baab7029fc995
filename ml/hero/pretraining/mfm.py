"""Masked frame modelling (MFM): features of hidden frames, from the others and the subtitles (D.3).

Belongs here: both objectives, telling the hidden frame among others (MNCE) and computing its features (MFFR).
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
    """``masked[frames]`` tells the frames whose features are hidden, in both transformers."""

    batch: HeroBatch
    masked: Tensor


def draw(videos: Sequence[AlignedVideo], generators: Sequence[np.random.Generator]) -> MaskedFrames:
    """Hide frames of every video, at least one."""
    hidden = []
    for video, rng in zip(videos, generators, strict=True):
        masked = rng.random(len(video.features)) < SHARE
        if not masked.any():
            masked[rng.integers(len(masked))] = True
        hidden.append(masked)
    return MaskedFrames(collate(videos), torch.from_numpy(np.concatenate(hidden)))


def contrastive_rows(model: Hero, drawn: MaskedFrames) -> Rows:
    """Of hidden frames ``predicted[masked, dim]`` and ``targets[masked, dim]``; ``others[seen, dim]`` of others."""
    told = model.frame_features(model.contextual(drawn.batch, drawn.masked)).float()
    return {
        "predicted": told[drawn.masked],
        "targets": drawn.batch.frames[drawn.masked],
        "others": told[~drawn.masked],
    }


def contrastive_loss(given: Rows, all_gather: AllGather) -> Tensor:
    """MNCE: cross entropy of ``p_i · r_i`` among the targets of all hidden frames and what is told of all seen ones."""
    predicted = given["predicted"]
    right = (predicted * given["targets"]).sum(1)
    choices = torch.cat([all_gather(given["targets"]), all_gather(given["others"])])
    scores = predicted @ choices.T
    # Below that, an exponential adds nothing to the sum; its gradient is subnormal, which CPUs multiply very slowly.
    told_apart = scores.detach().amax(1, keepdim=True) - 40
    return mean_over_processes(scores.clamp(min=told_apart).logsumexp(1) - right, all_gather)


def regression_rows(model: Hero, drawn: MaskedFrames) -> Rows:
    """The Euclidean distance of each hidden frame's prediction from its features ``losses[masked]``."""
    told = model.frame_features(model.contextual(drawn.batch, drawn.masked)[drawn.masked]).float()
    return {"losses": torch.linalg.vector_norm(told - drawn.batch.frames[drawn.masked], dim=1)}


def regression_loss(given: Rows, all_gather: AllGather) -> Tensor:
    """MFFR: mean over the hidden frames."""
    return mean_over_processes(given["losses"], all_gather)

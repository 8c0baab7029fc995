"""Where the published pre-training differs from the formulas of the paper, for those who want to reproduce it.

See "Differences from the published code" in ``docs/how-to/hero.md`` for all differences.
"""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from ml.hero.model import Hero
from ml.hero.ranking import LossSettings

GPUS = 16
"""Of the published pre-training (``pretrain-tv-16gpu.json``)."""


def ranking_weights(settings: LossSettings) -> LossSettings:
    """Weights with which one process has the gradient of the published 16.

    Every GPU computes the ranking loss of the gathered batch; the backward pass of the gathering keeps the gradient of
    the GPU's own rows, and Horovod averages over the GPUs. The ranking losses so get a sixteenth of their gradient;
    losses of single examples, which each GPU averages over its own, get all of theirs.
    """
    return replace(settings, videos=settings.videos / GPUS, queries=settings.queries / GPUS)


def initialise_as_published(model: Hero) -> None:
    """Give the parts outside of the two transformers torch's default values, as the published code does.

    It initialises its encoder by N(0, 0.02) and nothing else. The mask's row for frames that are not masked is random
    instead of zero, and never learned: masked frame modelling adds it to all visible frames.
    """
    for part in (model.query_encoder, model.moments):
        for module in part.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.reset_parameters()
    nn.init.normal_(model.cross_modal.mask.weight, std=0.02)

"""Scores of moments as the published evaluation computes them, where the last frames depend on the batch of a video.

The published code pads the videos of a batch to the longest one, and its convolutions for the first and last frame read
two positions of padding (``model/modeling_utils.py`` and ``eval_vcmr.py``). Within the batch a padding frame is the
temporal transformer's output for a feature of zeros; behind the batch's longest video it is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ml.hero.attention import Encoder, Layer, Packing
from ml.hero.batch import HeroBatch
from ml.hero.model import Hero
from ml.hero.moment_head import KERNEL

BATCH_VIDEOS = 50
"""Videos per batch of ``eval_vcmr.py``, in the order of their names."""
BEYOND = KERNEL // 2
"""Positions of padding that a convolution reads."""


def longest_of_batch(names: Sequence[str], frames: Sequence[int]) -> list[int]:
    """The frames of the longest video in each video's published batch."""
    longest = [0] * len(names)
    order = sorted(range(len(names)), key=names.__getitem__)
    for first in range(0, len(order), BATCH_VIDEOS):
        rows = order[first : first + BATCH_VIDEOS]
        for row in rows:
            longest[row] = max(frames[other] for other in rows)
    return longest


@torch.inference_mode()
def padding_frames(model: Hero, batch: HeroBatch, longest: Sequence[int]) -> Tensor:
    """Embeddings of the first ``BEYOND`` padding frames of each video ``[videos, BEYOND, hidden]``.

    Padding frames attend to the frames of their video, and no frame attends to them.

    Args:
        batch: videos without appended texts.
        longest: frames of the longest video of each video's batch.
    """
    temporal, fused = model.temporal, model.fuse(batch)
    empty = model.frame_transform(fused.new_zeros(1, model.config.frame_dim))
    found = fused.new_zeros(len(batch.lengths), BEYOND, fused.shape[1])
    starts = (batch.lengths.cumsum(0) - batch.lengths).tolist()
    for video, (start, frames) in enumerate(zip(starts, batch.lengths.tolist(), strict=True)):
        count = min(BEYOND, longest[video] - frames)
        if count > 0:
            places = torch.arange(frames + count, device=fused.device)
            rows = torch.cat([fused[start : start + frames], empty.expand(count, -1)])
            embedded = temporal.norm(rows + temporal.positions(places))
            found[video, :count] = _onlookers(temporal.encoder, embedded[:frames], embedded[frames:])
    return found


def _onlookers(encoder: Encoder, tokens: Tensor, others: Tensor) -> Tensor:
    """Output for ``others[m, hidden]``, which attend to ``tokens[n, hidden]`` and are attended by none."""
    packing = Packing(torch.tensor([len(tokens)], device=tokens.device), len(tokens))
    for layer in encoder.layers:
        assert isinstance(layer, Layer)
        attention = layer.attention
        keys, values = _heads(attention.queries_keys_values(tokens), attention.heads)[1:]
        queries = _heads(attention.queries_keys_values(others), attention.heads)[0]
        mixed = functional.scaled_dot_product_attention(queries, keys, values).transpose(0, 1).flatten(1)
        attended = attention.norm(others + attention.output(mixed))
        others = layer.norm(attended + layer.fc2(functional.gelu(layer.fc1(attended))))
        tokens = layer(tokens, packing)
    return others


def _heads(projected: Tensor, heads: int) -> Tensor:
    """Queries, keys and values ``[3, heads, n, dim]`` from their joint projection ``[n, 3 * hidden]``."""
    return projected.unflatten(1, (3, heads, -1)).permute(1, 2, 0, 3)

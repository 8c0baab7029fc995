"""Captions of clips (TVC): a decoder over HERO's frame embeddings of a clip, its loss, and greedy decoding.

Word embeddings and output layer are those of HERO. See ``ml.metrics.captioning`` for the metrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.distributed import AllGather, Rows

LAYERS = 2
POSITIONS = 1024
LABEL_SMOOTHING = 0.1
LONGEST = 30
"""Tokens of a written caption."""


class CaptionDecoder(nn.Module):
    """Two post-norm layers: causal self-attention, attention to frames, feed-forward of ``4 * hidden``."""

    def __init__(self, hidden: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.position = nn.Embedding(POSITIONS, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                hidden, heads, 4 * hidden, dropout, activation="gelu", layer_norm_eps=1e-12, batch_first=True
            )
            for _ in range(LAYERS)
        )
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, words: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
        """Hidden states ``[clips, tokens, hidden]``; each depends on its token and the tokens before it.

        Args:
            words: word embeddings of the tokens so far ``[clips, tokens, hidden]``.
            frames: ``[clips, frames, hidden]``.
            mask: true where there is a frame ``[clips, frames]``.
        """
        tokens = words.shape[1]
        later = torch.ones(tokens, tokens, dtype=torch.bool, device=words.device).triu(1)
        states = self.dropout(self.norm(words + self.position.weight[:tokens]))
        for layer in self.layers:
            states = layer(states, frames, tgt_mask=later, memory_key_padding_mask=~mask)
        return states


def clip_frames(start_s: float, end_s: float, interval_s: float, frames: int) -> tuple[int, int]:
    """First frame of a clip and the one after its last, within the first ``frames`` frames of the video.

    Raises:
        ValueError: the clip begins after the last of them and cannot be described.
    """
    first = math.floor(start_s / interval_s)
    if first >= frames:
        raise ValueError(f"clip [{start_s}, {end_s}] begins after frame {frames - 1} at {interval_s} s per frame")
    return first, min(max(round(end_s / interval_s), first + 1), frames)


def caption_rows(logits: Tensor, targets: Tensor, padding: int, smoothing: float = LABEL_SMOOTHING) -> Rows:
    """Sums of each caption of ``targets[captions, tokens]`` without padding.

    ``losses`` is of the cross entropies with label smoothing, ``tokens`` their number.
    """
    losses = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing
    )
    counted = targets != padding
    return {"losses": (losses.view_as(targets) * counted).sum(1), "tokens": counted.sum(1)}


def caption_loss(rows: Rows, all_gather: AllGather) -> Tensor:
    """This process's part of the mean over the tokens of all processes."""
    return rows["losses"].sum() / all_gather(rows["tokens"].sum()[None]).sum()


@torch.no_grad()
def write_greedily(
    decoder: CaptionDecoder,
    embed: Callable[[Tensor], Tensor],
    output: Callable[[Tensor], Tensor],
    frames: Tensor,
    mask: Tensor,
    begin: int,
    end: int,
    longest: int = LONGEST,
) -> list[list[int]]:
    """The most probable next token, repeated until ``end``; the result has neither begin nor end token.

    Args:
        embed: tokens ``[clips, n]`` to word embeddings.
        output: hidden states to logits of the vocabulary.
    """
    tokens = torch.full((len(frames), 1), begin, device=frames.device)
    done = torch.zeros(len(frames), dtype=torch.bool, device=frames.device)
    for _ in range(longest):
        following = output(decoder(embed(tokens), frames, mask)[:, -1]).argmax(-1)
        tokens = torch.cat([tokens, following.masked_fill(done, end)[:, None]], 1)
        done |= following == end
        if done.all():
            break
    return [row[: row.index(end)] if end in row else row for row in tokens[:, 1:].tolist()]

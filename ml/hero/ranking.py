"""Ranking losses between queries and videos (HERO section 3.2, VSM), which pre-training and moment retrieval share.

Shapes: ``queries[queries, hidden]``, ``frames[frames, hidden]`` of all videos in a row, ``lengths[videos]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class LossSettings:
    """Weights of the losses of moment retrieval; the defaults are those of TVR.

    From step ``hard_from`` the ``pool`` best negatives of each query or video have the weight ``hard_weight``, the
    others ``easy_weight``. ``keep_false_negatives`` is the published behaviour: see ``wrong_pairs``.
    """

    videos: float = 8.0
    queries: float = 8.0
    span: float = 0.01
    margin: float = 0.1
    hard_from: int = 2000
    pool: int = 20
    hard_weight: float = 10.0
    easy_weight: float = 0.1
    keep_false_negatives: bool = False


def video_scores(queries: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    """``S(q, V) = max_t cos(q, h_t)`` as ``[queries, videos]``."""
    cosines = functional.normalize(frames, dim=-1) @ functional.normalize(queries, dim=-1).T
    # Without "unsafe" torch reads the lengths, for which the host would wait.
    return torch.segment_reduce(cosines, "max", lengths=lengths, axis=0, unsafe=True).T


class QueryBatch(NamedTuple):
    """Queries ``[queries, hidden]``, each with its video's number in the batch, its video's key and its text's key."""

    queries: Tensor
    items: Tensor
    videos: Tensor
    sentences: Tensor


class VideoBatch(NamedTuple):
    """Frames of a batch's videos in a row, how many each has, its number in the batch and its key."""

    frames: Tensor
    lengths: Tensor
    items: Tensor
    videos: Tensor


def ranking_losses(texts: QueryBatch, videos: VideoBatch, settings: LossSettings, step: int) -> tuple[Tensor, Tensor]:
    """Hinge losses ``mean [margin + S(negative) - S(positive)]_+`` over wrong videos, and over wrong queries.

    A video and its other queries are not negatives of each other. With a single video there is no negative: 0.
    """
    scores = video_scores(texts.queries, videos.frames, videos.lengths)
    own = (texts.items[:, None] == videos.items).long().argmax(1)
    positive = scores.gather(1, own[:, None])
    foreign = wrong_pairs(texts, videos, settings.keep_false_negatives)
    wrong_videos = _hinge(scores, positive, foreign, settings, step)
    # Each query against the queries of other videos, in the query's own video: [queries, queries].
    wrong_queries = _hinge(scores[:, own].T, positive, foreign[:, own].T, settings, step)
    return wrong_videos, wrong_queries


def wrong_pairs(texts: QueryBatch, videos: VideoBatch, keep_false_negatives: bool) -> Tensor:
    """True where a query does not belong to a video ``[queries, videos]``.

    The published code compares their numbers only: it treats a video that is in the batch twice, or in which the same
    sentence is said, as a wrong one.
    """
    wrong = texts.items[:, None] != videos.items
    if keep_false_negatives:
        return wrong
    same_text = texts.sentences[:, None] == texts.sentences
    said_in = texts.items[:, None] == videos.items
    said_too = (same_text.float() @ said_in.float()) > 0
    return wrong & (texts.videos[:, None] != videos.videos) & ~said_too


def _hinge(scores: Tensor, positive: Tensor, foreign: Tensor, settings: LossSettings, step: int) -> Tensor:
    """Mean over the negatives; from the step ``hard_from`` the hardest of each row have a greater weight."""
    losses = (settings.margin + scores - positive).clamp(min=0) * foreign
    if step >= settings.hard_from:
        order = scores.detach().masked_fill(~foreign, -torch.inf).argsort(dim=1, descending=True, stable=True)
        weights = torch.full_like(losses, settings.easy_weight)
        losses = losses * weights.scatter(1, order[:, : settings.pool], settings.hard_weight)
    return losses.sum() / foreign.sum().clamp(min=1)

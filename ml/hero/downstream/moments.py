"""Finding moments by text (VCMR, SVMR, VR): scores, losses and the search through a corpus of encoded videos.

Belongs here: what TVR, How2R and DiDeMo need on top of HERO's frame and query embeddings. Metrics are told in
``ml/metrics/moments.py``. Shapes: ``queries[queries, hidden]``, ``frames[videos, frames, hidden]``, ``mask[videos,
frames]`` true where there is a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.metrics.moments import Moment, Search, moments_of_videos, nearest_videos

PADDING = -1e4
"""Score of what is no frame."""
KERNEL = 5
BLOCK = 32
"""Queries that are compared with all frames at a time."""


@dataclass(frozen=True)
class LossSettings:
    """Weights of the losses of moment retrieval; the defaults are TVR's.

    From step ``hard_from`` the ``pool`` best negatives of each query or video count ``hard_weight`` times, the others
    ``easy_weight`` times. ``keep_false_negatives`` is the published behaviour: see ``wrong_pairs``.
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


class MomentHead(nn.Module):
    """Start and end of a moment: ``s_t = W q . h_t``, then a convolution over time each (no bias, width 5)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, hidden)
        self.start = nn.Conv1d(1, 1, KERNEL, padding=KERNEL // 2, bias=False)
        self.end = nn.Conv1d(1, 1, KERNEL, padding=KERNEL // 2, bias=False)

    def forward(self, queries: Tensor, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``[pairs, frames]`` of the first and the last frame, for query i in video i."""
        similarity = torch.einsum("ph,pfh->pf", self.query(queries), frames)
        return self.boundaries(similarity, mask)

    def boundaries(self, similarity: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same from ``similarity[pairs, frames]``."""
        track = similarity.masked_fill(~mask, 0)[:, None]
        start, end = self.start(track)[:, 0], self.end(track)[:, 0]
        return start.masked_fill(~mask, PADDING), end.masked_fill(~mask, PADDING)


def video_scores(queries: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
    """``S(q, V) = max_t cos(q, h_t)`` as ``[queries, videos]``."""
    cosines = torch.einsum("qh,vfh->qvf", functional.normalize(queries, dim=-1), functional.normalize(frames, dim=-1))
    return cosines.masked_fill(~mask, PADDING).amax(-1)


def moment_labels(intervals: Tensor, frames: Tensor, interval_s: float) -> tuple[Tensor, Tensor]:
    """First and last frame, both inclusive, of moments in seconds.

    Args:
        intervals: ``[moments, 2]``.
        frames: how many frames each moment's video has, ``[moments]``.
    """
    most = frames - 1
    first = torch.minimum((intervals[:, 0] / interval_s).floor().long(), most)
    last = torch.maximum((intervals[:, 1] / interval_s).ceil().long() - 1, first + 1)
    return first, torch.minimum(last, most)


def span_losses(start: Tensor, end: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Cross entropies of the first and the last frame of each moment, added ``[moments]``."""
    begins = functional.cross_entropy(start, first, reduction="none")
    return begins + functional.cross_entropy(end, last, reduction="none")


class Asked(NamedTuple):
    """Queries ``[queries, hidden]``, each with its video's number in the batch, and keys of that and of its text."""

    queries: Tensor
    items: Tensor
    videos: Tensor
    sentences: Tensor


class Shown(NamedTuple):
    """Frames and mask of a batch's videos, each with its number in the batch and its key."""

    frames: Tensor
    mask: Tensor
    items: Tensor
    videos: Tensor


def ranking_losses(asked: Asked, shown: Shown, settings: LossSettings, step: int) -> tuple[Tensor, Tensor]:
    """Hinge losses ``mean [margin + S(negative) - S(positive)]_+`` over wrong videos, and over wrong queries.

    A video's other queries are no negatives of it, nor it of them. With a single video there is no negative: 0.
    """
    scores = video_scores(asked.queries, shown.frames, shown.mask)
    own = (asked.items[:, None] == shown.items).long().argmax(1)
    positive = scores.gather(1, own[:, None])
    foreign = wrong_pairs(asked, shown, settings.keep_false_negatives)
    wrong_videos = _hinge(scores, positive, foreign, settings, step)
    # Each query against the queries of other videos, in the query's own video: [queries, queries].
    wrong_queries = _hinge(scores[:, own].T, positive, foreign[:, own].T, settings, step)
    return wrong_videos, wrong_queries


def wrong_pairs(asked: Asked, shown: Shown, keep_false_negatives: bool) -> Tensor:
    """Which query does not belong to which video ``[queries, videos]``.

    The published code goes by their numbers alone: a video that is in the batch twice, or in which the same sentence is
    said, is held for a wrong one there.
    """
    wrong = asked.items[:, None] != shown.items
    if keep_false_negatives:
        return wrong
    same_text = asked.sentences[:, None] == asked.sentences
    said_in = asked.items[:, None] == shown.items
    said_too = (same_text.float() @ said_in.float()) > 0
    return wrong & (asked.videos[:, None] != shown.videos) & ~said_too


def _hinge(scores: Tensor, positive: Tensor, foreign: Tensor, settings: LossSettings, step: int) -> Tensor:
    """Mean over the foreign ones of each row; the hardest of a row weigh more once the time has come."""
    losses = (settings.margin + scores - positive).clamp(min=0) * foreign
    if step >= settings.hard_from:
        order = scores.detach().masked_fill(~foreign, -torch.inf).argsort(dim=1, descending=True, stable=True)
        weights = torch.full_like(losses, settings.easy_weight)
        losses = losses * weights.scatter(1, order[:, : settings.pool], settings.hard_weight)
    return losses.sum() / foreign.sum().clamp(min=1)


class MomentIndex:
    """Encoded videos, in which moments are searched.

    Frames are kept as unit vectors with their lengths, those of all videos in a row and no padding among them.

    Args:
        embeddings: ``[frames, hidden]`` of each video.
    """

    def __init__(self, head: MomentHead, embeddings: Sequence[Tensor], search: Search) -> None:
        if not embeddings or any(not len(each) for each in embeddings):
            raise ValueError("an index needs videos of at least one frame each")
        self.head, self.search = head.eval(), search
        self.counts = torch.tensor([len(each) for each in embeddings])
        self.firsts = torch.cumsum(self.counts, 0) - self.counts
        flat = torch.cat(list(embeddings))
        self.lengths = flat.norm(dim=1)
        self.units = flat.div_(self.lengths.clamp(min=1e-12)[:, None])  # of a large corpus there is no room for two

    @torch.inference_mode()
    def scores(self, queries: Tensor) -> Tensor:
        """``S(q, V)`` of every video, ``[queries, videos]``."""
        # [frames, queries]: the frames are streamed through memory once for a block of queries.
        units = functional.normalize(queries, dim=1)
        return torch.cat(
            [
                torch.segment_reduce(self.units @ part.T, "max", lengths=self.counts, axis=0).T
                for part in units.split(BLOCK)
            ]
        )

    @torch.inference_mode()
    def find(self, queries: Tensor) -> list[list[Moment]]:
        """VCMR: the best moments of each query in all videos."""
        scores = self.scores(queries).double().numpy()
        return [
            self._moments(query, nearest_videos(row, self.search), row)
            for query, row in zip(queries, scores, strict=True)
        ]

    @torch.inference_mode()
    def find_within(self, queries: Tensor, videos: Sequence[int]) -> list[list[Moment]]:
        """SVMR: the best moments of each query in its own video."""
        alike = np.zeros(len(self.counts))
        return [self._moments(query, np.array([own]), alike) for query, own in zip(queries, videos, strict=True)]

    @torch.inference_mode()
    def find_videos(self, queries: Tensor) -> list[list[Moment]]:
        """VR: the best videos of each query, as moments from 0 to 0."""
        scores = self.scores(queries).double().numpy()
        return [[Moment(int(v), 0.0, 0.0, float(row[v])) for v in nearest_videos(row, self.search)] for row in scores]

    def _moments(self, query: Tensor, videos: NDArray[np.int64], scores: NDArray[np.float64]) -> list[Moment]:
        chosen = torch.from_numpy(videos)
        places = torch.arange(int(self.counts[chosen].max()))
        mask = places < self.counts[chosen, None]
        rows = (self.firsts[chosen, None] + places).where(mask, self.firsts[chosen, None])
        similarity = (self.units[rows] @ self.head.query(query)) * self.lengths[rows]
        start, end = (logits.softmax(1).double().numpy() for logits in self.head.boundaries(similarity, mask))
        return moments_of_videos(start, end, videos, scores[videos], self.search)

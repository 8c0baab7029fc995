"""Search for moments by text (VCMR, SVMR, VR) in encoded videos, for TVR, How2R and DiDeMo.

See ``ml.metrics.moments`` for the metrics, ``ml.hero.moment_head`` and ``ml.hero.ranking`` for the losses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ml.hero.moment_head import MomentHead
from ml.metrics.moments import Moment, Search, moments_of_videos, nearest_videos

BLOCK = 32
"""Queries that are compared with all frames at a time."""


def moment_labels(intervals: Tensor, frames: Tensor, interval_s: float) -> tuple[Tensor, Tensor]:
    """First and last frame, both inclusive, of moments given in seconds.

    Args:
        intervals: ``[moments, 2]``.
        frames: how many frames each moment's video has, ``[moments]``.
    """
    most = frames - 1
    first = torch.minimum((intervals[:, 0] / interval_s).floor().long(), most)
    last = torch.maximum((intervals[:, 1] / interval_s).ceil().long() - 1, first + 1)
    return first, torch.minimum(last, most)


class MomentIndex:
    """Encoded videos to search for moments.

    Frames are stored as unit vectors and their lengths, all videos in a row without padding.

    Args:
        embeddings: ``[frames, hidden]`` of each video.
        padding: embeddings of the positions after each video that the convolutions read, ``[videos, n, hidden]``, as
            in the published evaluation (``ml.hero.downstream.published_scoring``); None for zeros.
    """

    def __init__(
        self, head: MomentHead, embeddings: Sequence[Tensor], search: Search, padding: Tensor | None = None
    ) -> None:
        if not embeddings or any(not len(each) for each in embeddings):
            raise ValueError("an index needs videos of at least one frame each")
        self.head, self.search, self.padding = head.eval(), search, padding
        self.counts = torch.tensor([len(each) for each in embeddings])
        self.firsts = torch.cumsum(self.counts, 0) - self.counts
        flat = torch.cat(list(embeddings))
        self.lengths = flat.norm(dim=1)
        self.units = flat.div_(self.lengths.clamp(min=1e-12)[:, None])  # in place: two copies may not fit

    @torch.inference_mode()
    def scores(self, queries: Tensor) -> Tensor:
        """``S(q, V)`` of every video, ``[queries, videos]``."""
        # [frames, queries]: a block of queries reads the frames from memory once.
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
        beyond = 0 if self.padding is None else self.padding.shape[1]
        places = torch.arange(int(self.counts[chosen].max()) + beyond)
        mask = places < self.counts[chosen, None]
        rows = (self.firsts[chosen, None] + places).where(mask, self.firsts[chosen, None])
        asking = self.head.query(query)
        similarity = (self.units[rows] @ asking) * self.lengths[rows]
        if self.padding is not None:
            similarity = similarity.masked_fill(~mask, 0).scatter_(
                1, self.counts[chosen, None] + torch.arange(beyond), self.padding[chosen] @ asking
            )
        boundaries = self.head.boundaries(similarity, mask, read_padding=self.padding is not None)
        start, end = (logits.softmax(1).double().numpy() for logits in boundaries)
        return moments_of_videos(start, end, videos, scores[videos], self.search)

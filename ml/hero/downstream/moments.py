"""Search for moments by text (VCMR, SVMR, VR) in encoded videos, for TVR, How2R and DiDeMo.

See ``ml.metrics.moments`` for the metrics, ``ml.hero.moment_head`` and ``ml.hero.ranking`` for the losses.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ml.hero.moment_head import MomentHead
from ml.metrics.moments import Moment, Search, best, moments_of_videos

BLOCK = 32
"""Queries that are compared with all frames at a time."""
LARGEST_COPY = 4
"""One in so many of all frames is the largest share that is copied and multiplied alone; copies cost memory traffic."""


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
    """Encoded videos to search for moments, on the device of their embeddings.

    Frames are stored as unit vectors and their lengths, all videos in a row without padding. Queries are compared in
    blocks of ``BLOCK``.

    Args:
        head: on the same device.
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
        sizes = [len(each) for each in embeddings]
        flat = torch.cat(list(embeddings))
        self.longest = max(sizes)
        self.counts = torch.tensor(sizes, device=flat.device)
        self.firsts = torch.cumsum(self.counts, 0) - self.counts
        self.lengths = flat.norm(dim=1)
        self.units = flat.div_(self.lengths.clamp(min=1e-12)[:, None])  # in place: two copies may not fit
        self.exact = torch.float32 if flat.device.type == "mps" else torch.float64  # MPS has no float64

    @torch.inference_mode()
    def scores(self, queries: Tensor) -> Tensor:
        """``S(q, V)`` of every video, ``[queries, videos]``."""
        # [frames, queries]: a block of queries reads the frames from memory once.
        units = functional.normalize(queries.to(self.units.device), dim=1)
        return torch.cat(
            [
                torch.segment_reduce(self.units @ part.T, "max", lengths=self.counts, axis=0, unsafe=True).T
                for part in units.split(BLOCK)
            ]
        )

    @torch.inference_mode()
    def find(self, queries: Tensor) -> list[list[Moment]]:
        """VCMR: the best moments of each query in all videos."""
        return [
            moments
            for part in queries.to(self.units.device).split(BLOCK)
            for moments in self._moments(part, *best(self.scores(part).to(self.exact), self.search.videos))
        ]

    @torch.inference_mode()
    def find_within(self, queries: Tensor, videos: Sequence[int]) -> list[list[Moment]]:
        """SVMR: the best moments of each query in its own video."""
        own = torch.tensor(videos, dtype=torch.int64, device=self.units.device)[:, None]
        alike = torch.zeros(own.shape, dtype=self.exact, device=own.device)
        parts = zip(*(each.split(BLOCK) for each in (queries.to(own.device), alike, own)), strict=True)
        return [moments for part in parts for moments in self._moments(*part)]

    @torch.inference_mode()
    def find_videos(self, queries: Tensor) -> list[list[Moment]]:
        """VR: the best videos of each query, as moments from 0 to 0."""
        values, videos = best(self.scores(queries).to(self.exact), self.search.videos)
        rows = zip(videos.tolist(), values.tolist(), strict=True)
        return [[Moment(v, 0.0, 0.0, score) for v, score in zip(*row, strict=True)] for row in rows]

    def _moments(self, queries: Tensor, scores: Tensor, videos: Tensor) -> list[list[Moment]]:
        """The best moments of each query in its videos, both ``[queries, videos]``."""
        beyond = 0 if self.padding is None else self.padding.shape[1]
        places = torch.arange(self.longest + beyond, device=videos.device)
        mask = places < self.counts[videos][..., None]
        rows = self.firsts[videos][..., None] + places * mask
        requested = self.head.query(queries)
        similarity = self._products(requested, rows.flatten(1)).view_as(rows) * self.lengths[rows]
        if self.padding is not None:
            behind = self.counts[videos][..., None] + torch.arange(beyond, device=videos.device)
            read = torch.einsum("qvph,qh->qvp", self.padding[videos], requested)
            similarity = similarity.masked_fill(~mask, 0).scatter_(2, behind, read)
        boundaries = self.head.boundaries(
            similarity.flatten(0, 1), mask.flatten(0, 1), read_padding=self.padding is not None
        )
        start, end = (each.softmax(1).to(self.exact).view_as(rows) for each in boundaries)
        return moments_of_videos(start, end, videos, scores, self.search)

    def _products(self, requested: Tensor, rows: Tensor) -> Tensor:
        """Products of each query with some of the frames, both ``[queries, n]``; frames are unit vectors."""
        if LARGEST_COPY * rows.numel() > len(self.units):
            return (self.units @ requested.T).T.gather(1, rows)
        return torch.einsum("qnh,qh->qn", self.units[rows], requested)

"""What moment retrieval and video retrieval share: batches of texts with their videos, and a searchable corpus."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ml.distributed import Rows
from ml.hero import matching
from ml.hero.batch import AlignedVideo, aligned, collate, collate_texts, key_of, tokens_of
from ml.hero.config import HeroConfig
from ml.hero.data.annotations import Description, Interval
from ml.hero.downstream.moments import MomentIndex, moment_labels
from ml.hero.downstream.published_scoring import padding_frames
from ml.hero.downstream.tasks.examples import Examples, parts
from ml.hero.matching import Pairs
from ml.hero.model import Hero
from ml.hero.video import Video
from ml.loading import on_device
from ml.metrics.moments import Search, iou
from ml.training import device_of

VIDEOS, TEXTS = 32, 256
"""Videos and texts that are encoded at a time."""


class RetrievalNetwork(nn.Module):
    """The model's forward pass; a share of the steps also has the loss of moments."""

    def __init__(self, model: Hero, span_share: float) -> None:
        super().__init__()
        self.model, self.span_share = model, span_share

    def forward(self, pairs: Pairs, step: int) -> Rows:
        with_spans = np.random.default_rng((step, 5)).random() < self.span_share
        return matching.rows(self.model, pairs, bool(with_spans))


class Described(NamedTuple):
    """A description as tokens with its video; ``moment`` is from and to, in frames, and [0, 0] if there is none."""

    number: int
    text: list[int]
    video: AlignedVideo
    moment: Interval

    @property
    def tokens(self) -> int:
        """Elements of its sequences in the model."""
        return tokens_of(self.video) + 1 + len(self.text)


def described(examples: Examples[Description], config: HeroConfig, number: int) -> Described:
    """The training description of this number in ``examples.learned``."""
    description = examples.learned[number]
    (text,), _ = examples.queries([description.text])
    video = examples.videos[str(description.video_id)]
    begin, end = (time / video.interval_s for time in agreed(description.intervals))
    return Described(number, text, examples.align(video, config), (begin, end))


def pairs_of(described: Sequence[Described]) -> Pairs:
    """Descriptions with their videos and moments as a batch."""
    videos = [each.video for each in described]
    lengths = torch.tensor([len(video.features) for video in videos])
    first, last = moment_labels(torch.tensor([each.moment for each in described]), lengths, 1.0)
    return Pairs(
        collate(videos),
        collate_texts([each.text for each in described]),
        torch.arange(len(described)),
        first,
        last,
        torch.tensor([key_of(each.text) for each in described]),
        torch.tensor([key_of(video.video_id) for video in videos]),
        # Not the position in the batch: an example that is in it twice would be a negative of itself.
        torch.tensor([each.number for each in described]),
    )


def agreed(intervals: Sequence[Interval]) -> Interval:
    """The interval that overlaps those of the other annotators most, the first of equals; [0, 0] if there is none."""
    return max(intervals, key=lambda each: sum(iou(each, other) for other in intervals), default=(0.0, 0.0))


def index_of(
    examples: Examples[Description],
    model: Hero,
    video_ids: Sequence[str],
    search: Search,
    longest: Sequence[int] | None = None,
) -> MomentIndex:
    """The videos of examples, encoded as ``encoded`` does."""
    return encoded(model, (examples.videos[video_id] for video_id in video_ids), search, examples.align, longest)


@torch.inference_mode()
def encoded(
    model: Hero,
    videos: Iterable[Video],
    search: Search,
    align: Callable[[Video, HeroConfig], AlignedVideo] = aligned,
    longest: Sequence[int] | None = None,
) -> MomentIndex:
    """Encoded videos in the memory of the model's device; ``search`` gets their interval between frames.

    Args:
        longest: frames of the longest video of each video's batch in the published evaluation; None for this project's
            scores, which depend on no other video.

    Raises:
        ValueError: their frames have different intervals, or there is no video.
    """
    device, frames, intervals, padding = device_of(model), list[Tensor](), set[float](), list[Tensor]()
    for some in batched(videos, VIDEOS):
        intervals |= {video.interval_s for video in some}
        batch = collate([align(video, model.config) for video in some])
        on_model = on_device(batch, device)
        if longest is not None:
            own = longest[len(frames) : len(frames) + len(some)]
            padding.append(padding_frames(model, on_model, own).float())
        frames += model.contextual(on_model).float().split(batch.lengths.tolist())
    if len(intervals) != 1:
        raise ValueError(f"frame intervals of {sorted(intervals)} s: the videos of a corpus must have one interval")
    search = replace(search, interval_s=intervals.pop())
    return MomentIndex(copy.deepcopy(model.moments), frames, search, torch.cat(padding) if padding else None)


@torch.inference_mode()
def encode_queries(model: Hero, texts: Sequence[Sequence[int]]) -> Tensor:
    """Vectors of texts ``[texts, hidden]``, on the model's device."""
    device = device_of(model)
    packed = (collate_texts(some) for some in parts(texts, TEXTS))
    return torch.cat([model.encode_query(on_device(each, device)).float() for each in packed])


def corpus_of(examples: Examples[Description]) -> list[str]:
    """Videos of the validation split in order of first occurrence, without those that are missing.

    Raises:
        ValueError: all are missing.
    """
    found = dict.fromkeys(each.video_id for each in examples.validation if each.video_id in examples.videos)
    if not found:
        raise ValueError("no video of the validation descriptions has frame features: nothing to search")
    return [str(video_id) for video_id in found]


def batched(videos: Iterable[Video], size: int) -> Iterator[list[Video]]:
    """``size`` of the videos at a time."""
    left = iter(videos)
    while some := list(islice(left, size)):
        yield some

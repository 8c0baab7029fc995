"""Video–subtitle matching (VSM, HERO section 3.2): the video and the frames in which a sentence is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ml.distributed import AllGather, Rows
from ml.hero import matching
from ml.hero.batch import AlignedVideo, Passage, collate, collate_texts, key_of
from ml.hero.matching import Pairs
from ml.hero.model import Hero
from ml.hero.ranking import LossSettings

QUERIES = 5
"""Sentences per video that become queries."""


def draw(videos: Sequence[AlignedVideo], generators: Sequence[np.random.Generator], items: Sequence[int]) -> Pairs:
    """Choose sentences that have frames; if a video has fewer than ``QUERIES``, they are repeated."""
    texts: list[tuple[int, ...]] = []
    moments: list[tuple[int, int, int]] = []
    silent = []
    for row, (video, rng) in enumerate(zip(videos, generators, strict=True)):
        usable = [number for number, passage in enumerate(video.passages) if passage.frames and passage.tokens]
        chosen = np.resize(rng.permutation(usable), QUERIES).tolist() if usable else []
        for number in chosen:
            passage = video.passages[number]
            texts.append(passage.tokens)
            moments.append((row, *span_of(passage.frames, len(video.features))))
        gone = set(chosen)
        passages = (Passage(p.frames, ()) if number in gone else p for number, p in enumerate(video.passages))
        silent.append(replace(video, passages=tuple(passages)))
    of_video, first, last = torch.tensor(moments, dtype=torch.int64).view(-1, 3).unbind(1)
    return Pairs(
        collate(silent),
        collate_texts(texts),
        of_video,
        first,
        last,
        torch.tensor([key_of(text) for text in texts], dtype=torch.int64),
        torch.tensor([key_of(video.video_id) for video in videos]),
        torch.tensor(items),
    )


def span_of(frames: Sequence[int], count: int) -> tuple[int, int]:
    """First and last frame of a moment, both inclusive; the last one is after the first unless the video ends."""
    return frames[0], min(max(frames[0] + 1, frames[-1]), count - 1)


def rows(model: Hero, drawn: Pairs, with_spans: bool) -> Rows:
    """Queries and frames with their keys, and with ``with_spans`` the loss of each query's moment."""
    return matching.rows(model, drawn, with_spans)


def loss(given: Rows, all_gather: AllGather, settings: LossSettings, step: int) -> Tensor:
    """``8 · wrong videos + 8 · wrong queries + 0.01 · (first + last frame)``, with the weights of ``settings``."""
    return matching.losses(given, all_gather, settings, step)["loss"]

"""Video–subtitle matching (VSM): which video, and which of its frames, a sentence was said in (D.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ml.hero.batch import AlignedVideo, HeroBatch, Passage, Texts, collate, collate_texts, key_of, padded
from ml.hero.downstream.moments import Asked, LossSettings, Shown, ranking_losses, span_losses
from ml.hero.model import Hero
from ml.hero.pretraining import Everyone, Rows, mean_over_everyone

QUERIES = 5
"""Sentences of a video that become queries."""


class Sentences(NamedTuple):
    """Videos without some of their sentences, and these as queries.

    ``of_video[queries]`` is the row of each one's video in the batch, ``first`` and ``last`` its frames there, both
    inclusive. ``sentences[queries]`` and ``videos[videos]`` are keys that are equal for equal texts and videos;
    ``items[videos]`` number the videos of all batches of a step.
    """

    batch: HeroBatch
    texts: Texts
    of_video: Tensor
    first: Tensor
    last: Tensor
    sentences: Tensor
    videos: Tensor
    items: Tensor


def draw(videos: Sequence[AlignedVideo], generators: Sequence[np.random.Generator], items: Sequence[int]) -> Sentences:
    """Choose sentences that have frames; where a video has fewer than are wanted, they stand there several times."""
    texts: list[tuple[int, ...]] = []
    asked: list[tuple[int, int, int]] = []
    silent = []
    for row, (video, rng) in enumerate(zip(videos, generators, strict=True)):
        usable = [number for number, passage in enumerate(video.passages) if passage.frames and passage.tokens]
        chosen = np.resize(rng.permutation(usable), QUERIES).tolist() if usable else []
        for number in chosen:
            passage = video.passages[number]
            texts.append(passage.tokens)
            asked.append((row, *span_of(passage.frames, len(video.features))))
        gone = set(chosen)
        passages = (Passage(p.frames, ()) if number in gone else p for number, p in enumerate(video.passages))
        silent.append(replace(video, passages=tuple(passages)))
    of_video, first, last = torch.tensor(asked, dtype=torch.int64).view(-1, 3).unbind(1)
    return Sentences(
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
    """First and last frame of a moment, both inclusive; the last follows the first where the video goes on."""
    return frames[0], min(max(frames[0] + 1, frames[-1]), count - 1)


def rows(model: Hero, drawn: Sentences, with_spans: bool) -> Rows:
    """Queries and frames with what they belong to, and each query's loss of its own moment where that is wanted."""
    queries = (
        model.encode_query(drawn.texts).float()
        if len(drawn.sentences)
        else drawn.batch.frames.new_zeros(0, model.config.hidden)
    )
    frames = model.contextual(drawn.batch).float()
    given = {
        "queries": queries,
        "query_items": drawn.items[drawn.of_video],
        "query_videos": drawn.videos[drawn.of_video],
        "sentences": drawn.sentences,
        "frames": frames,
        "lengths": drawn.batch.lengths,
        "items": drawn.items,
        "videos": drawn.videos,
    }
    if with_spans:
        whole, mask = padded(frames, drawn.batch.lengths)
        start, end = model.moments(queries, whole[drawn.of_video], mask[drawn.of_video])
        given["spans"] = span_losses(start, end, drawn.first, drawn.last)
    return given


def loss(given: Rows, everyone: Everyone, settings: LossSettings, step: int) -> Tensor:
    """``8 · wrong videos + 8 · wrong queries + 0.01 · (first + last frame)``, with the weights of ``settings``."""
    names = ("queries", "query_items", "query_videos", "sentences", "frames", "lengths", "items", "videos")
    queries, query_items, query_videos, sentences, frames, lengths, items, videos = (everyone(given[n]) for n in names)
    asked = Asked(queries, query_items, query_videos, sentences)
    wrong_videos, wrong_queries = ranking_losses(asked, Shown(*padded(frames, lengths), items, videos), settings, step)
    # Every process computes the whole of this, and so contributes an equal part of it.
    part = (settings.videos * wrong_videos + settings.queries * wrong_queries) / everyone(queries.new_ones(1)).sum()
    return part + settings.span * mean_over_everyone(given["spans"], everyone) if "spans" in given else part

"""Texts and the videos they belong to, compared over a whole batch: VSM, moment retrieval and video retrieval.

Belongs here: what the three share, from packed texts and videos to losses. The losses' formulas lie in ``moments.py``;
what becomes a text and what a video is told beside each task.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ml.distributed import AllGather, Rows
from ml.hero.batch import HeroBatch, Texts, padded
from ml.hero.model import Hero
from ml.hero.moment_head import span_losses
from ml.hero.ranking import LossSettings, QueryBatch, VideoBatch, ranking_losses


class Pairs(NamedTuple):
    """Videos, and texts that ask for a moment in one of them each.

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


def rows(model: Hero, pairs: Pairs, with_spans: bool) -> Rows:
    """Queries and frames with what they belong to, and each query's loss of its own moment where that is wanted."""
    queries = (
        model.encode_query(pairs.texts).float()
        if len(pairs.sentences)
        else pairs.batch.frames.new_zeros(0, model.config.hidden)
    )
    frames = model.contextual(pairs.batch).float()
    given = {
        "queries": queries,
        "query_items": pairs.items[pairs.of_video],
        "query_videos": pairs.videos[pairs.of_video],
        "sentences": pairs.sentences,
        "frames": frames,
        "lengths": pairs.batch.lengths,
        "items": pairs.items,
        "videos": pairs.videos,
    }
    if with_spans:
        whole, mask = padded(frames, pairs.batch.lengths)
        start, end = model.moments(queries, whole[pairs.of_video], mask[pairs.of_video])
        given["spans"] = span_losses(start, end, pairs.first, pairs.last)
    return given


def losses(given: Rows, all_gather: AllGather, settings: LossSettings, step: int) -> dict[str, Tensor]:
    """``loss``, the weighted sum of the others: ``videos`` and ``queries`` (ranking), and ``span`` where there is one.

    Every process computes the whole of each from the rows of all, so that all have the same losses.
    """
    names = ("queries", "query_items", "query_videos", "sentences", "frames", "lengths", "items", "videos")
    queries, query_items, query_videos, sentences, frames, lengths, items, videos = (
        all_gather(given[n]) for n in names
    )
    asked = QueryBatch(queries, query_items, query_videos, sentences)
    wrong_videos, wrong_queries = ranking_losses(
        asked, VideoBatch(*padded(frames, lengths), items, videos), settings, step
    )
    found = {"videos": wrong_videos, "queries": wrong_queries}
    loss = settings.videos * wrong_videos + settings.queries * wrong_queries
    if "spans" in given:
        spans = all_gather(given["spans"])
        found["span"] = spans.sum() / max(len(spans), 1)
        loss = loss + settings.span * found["span"]
    return {"loss": loss, **found}

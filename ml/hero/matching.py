"""Matching of texts with videos over a whole batch, which VSM, moment retrieval and video retrieval share.

See ``ml.hero.ranking`` for the formulas of the losses.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ml.distributed import AllGather, Rows
from ml.hero.batch import HeroBatch, Texts, padded
from ml.hero.model import Hero
from ml.hero.moment_head import span_losses
from ml.hero.ranking import LossSettings, QueryBatch, VideoBatch, ranking_losses
from ml.training import in_full_precision


class Pairs(NamedTuple):
    """Videos, and texts that each describe a moment in one of them.

    ``of_video[queries]`` is the row of each text's video in the batch; ``first`` and ``last`` are the moment's frames
    in it, both inclusive. ``sentences[queries]`` and ``videos[videos]`` are keys that are equal for equal texts and
    videos; ``items[videos]`` number the videos of all batches of a step.
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
    """Queries and frames with their keys, and with ``with_spans`` the loss of each query's moment."""
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
        whole, mask = padded(frames, pairs.batch.lengths, pairs.batch.longest)
        with in_full_precision(frames.device):
            start, end = model.moments(queries, whole[pairs.of_video], mask[pairs.of_video])
            given["spans"] = span_losses(start, end, pairs.first, pairs.last)
    return given


def losses(given: Rows, all_gather: AllGather, settings: LossSettings, step: int) -> dict[str, Tensor]:
    """This process's part of ``loss``, and of its summands ``videos``, ``queries`` (ranking), and ``span`` if given.

    Every process computes whole losses from the rows of all processes, so each contributes an equal part.
    """
    names = ("queries", "query_items", "query_videos", "sentences", "frames", "lengths", "items", "videos")
    queries, query_items, query_videos, sentences, frames, lengths, items, videos = (
        all_gather(given[n]) for n in names
    )
    batch = QueryBatch(queries, query_items, query_videos, sentences)
    wrong_videos, wrong_queries = ranking_losses(batch, VideoBatch(frames, lengths, items, videos), settings, step)
    found = {"videos": wrong_videos, "queries": wrong_queries}
    loss = settings.videos * wrong_videos + settings.queries * wrong_queries
    if "spans" in given:
        spans = all_gather(given["spans"])
        found["span"] = spans.sum() / max(len(spans), 1)
        loss = loss + settings.span * found["span"]
    processes = all_gather(given["queries"].new_ones(1)).sum()
    return {name: each / processes for name, each in {"loss": loss, **found}.items()}

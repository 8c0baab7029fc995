"""Aligned clips of a shard's videos, from clips, feature arrays and a text-video model. Imports torch.

See ``ml.joint_embedding.alignment`` for the search over windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.features.reader import FeatureReader
from assets.joint_embedding.options import PairOptions
from assets.joint_embedding.pairs import PairsOf, video_streams
from assets.joint_embedding.text_video import load_joint_embedding
from assets.lake import load_tables
from ml.joint_embedding.alignment import Alignment, align_captions, aligned_pairs
from ml.joint_embedding.pair_store import PairStore, Place
from ml.joint_embedding.pairs import Stream, VideoPairs, video_pairs
from ml.joint_embedding.text_video import TextVideoModel


def align_shard(
    clips: pl.DataFrame,
    features: FeatureReader,
    model: TextVideoModel,
    shard: str,
    radius_s: float = 10.0,
    min_time_s: float = 5.0,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows of ``aligned_clips`` of one shard, and the number of captions without a row, by reason.

    Args:
        clips: the shard's rows of the table ``clips``.
        features: reader of the streams that the model reads, in that order.
        radius_s, min_time_s: see ``ml.joint_embedding.alignment``.
    """
    left_out = {"no features": 0, "no feature row in any window": 0, "no known word": 0}
    rows: list[tuple[object, ...]] = []
    for video_id, lines in _videos(clips):
        found = video_streams(features, video_id)
        if found is None:
            left_out["no features"] += len(lines)
            continue
        start_s, end_s = lines["start_s"].to_numpy(), lines["end_s"].to_numpy()
        texts = lines["caption"].to_list()
        aligned = align_captions(model, found, start_s, end_s, texts, radius_s, min_time_s)
        left_out["no feature row in any window"] += aligned.without_rows
        left_out["no known word"] += aligned.without_words
        index = lines["clip_index"].to_numpy()[aligned.caption]
        columns = (index, aligned.start_s, aligned.end_s, aligned.shift_s, aligned.score)
        rows += [(shard, video_id, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return load_tables()["aligned_clips"].frame(rows), left_out


def alignment_summary(aligned: pl.DataFrame) -> dict[str, float | None]:
    """Mean score and median shift in seconds of rows of ``aligned_clips``; None if there are no rows."""
    mean, shift = aligned.select(pl.col("score").mean(), pl.col("shift_s").median()).row(0)
    return {"mean_score": mean, "median_shift_s": shift}


def write_aligned_pairs(
    aligned: pl.DataFrame,
    clips: pl.DataFrame,
    features: FeatureReader,
    store: PairStore,
    shard: str,
    min_score: float = -1.0,
) -> list[Place]:
    """Write the training pairs of one shard's aligned clips whose score is at least ``min_score``.

    Args:
        aligned, clips: the shard's rows of the tables ``aligned_clips`` and ``clips``.
        store: a store other than that of the unaligned pairs.

    Returns:
        Where the pairs of each video are stored; a video may have none.
    """
    joined = aligned.join(clips.select("video_id", "clip_index", "caption_clean"), on=["video_id", "clip_index"])

    def videos() -> Iterator[tuple[str, VideoPairs]]:
        for video_id, lines in _videos(joined):
            found = video_streams(features, video_id)
            if found is not None:
                yield video_id, aligned_pairs(_alignment(lines), found, lines["caption_clean"].to_list(), min_score)

    return store.write(shard, videos(), features.dim or 1)


def pairs_by(options: PairOptions, device: str = "cpu") -> PairsOf:
    """How captions become pairs: grown where spoken, or moved by an earlier model to their best window."""
    if options.aligner is None:
        return partial(video_pairs, min_time_s=options.min_time_s)
    model = load_joint_embedding(options.aligner, device)

    def aligned(
        streams: Sequence[Stream], start_s: NDArray[np.float64], end_s: NDArray[np.float64], captions: list[str]
    ) -> VideoPairs:
        found = align_captions(model, streams, start_s, end_s, captions, min_time_s=options.min_time_s)
        return aligned_pairs(found, streams, captions, options.min_alignment)

    return aligned


def _alignment(lines: pl.DataFrame) -> Alignment:
    start_s, end_s, shift_s, score = (lines[name].to_numpy() for name in ("start_s", "end_s", "shift_s", "score"))
    return Alignment(np.arange(len(lines)), start_s, end_s, shift_s, score.astype(np.float32), 0, 0)


def _videos(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (video_id,), lines in sorted(rows.partition_by("video_id", as_dict=True).items()):
        yield str(video_id), lines.sort("clip_index")

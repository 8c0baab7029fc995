"""Rewritten captions at their best clip, and whether they match it. Imports torch.

As in HowToCaption (align_and_filter.py): a clip of 8 s begins at the second that the language model states, or up to
10 s earlier or later, where it is most similar to the caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from assets.features.reader import FeatureReader
from assets.joint_embedding.pairs import video_streams
from assets.joint_embedding.text_video import LakeModel, load_joint_embedding
from assets.lake import load_tables
from ml.joint_embedding.alignment import align_captions
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import JointTextVideo, MeanOfModels, TextVideoModel

CLIP_S = 8.0
RADIUS_S = 10.0


def matching_model(own: LakeModel, second_models: Path | None, device: str) -> TextVideoModel:
    """The model of the lake, or in a second round the mean of it and of another joint embedding.

    Raises:
        ValueError: the two models do not take the same feature rows.
    """
    if second_models is None:
        return own.model
    second = load_joint_embedding(second_models, device)
    if not isinstance(own.model, JointTextVideo):
        raise ValueError("HOWTO_REWRITING_SECOND_MODELS: needs HOWTO_TEXT_VIDEO_MODEL=joint_embedding")
    taken, given = (each.model.video.project.in_features for each in (second, own.model))
    if taken != given:
        raise ValueError(f"{second_models}: its joint embedding takes features of {taken} numbers, this lake's {given}")
    return MeanOfModels(own.model, second)


def match_captions(
    captions: pl.DataFrame,
    features: FeatureReader,
    model: TextVideoModel,
    min_similarity: float,
    keep_share: float = 1.0,
) -> pl.DataFrame:
    """Rows of ``rewritten_clips``.

    Args:
        captions: rows of ``rewritten_captions`` of one shard.
        features: reader of the streams that the model reads.
        keep_share: see ``MatchingOptions``. The videos of a shard are a random sample, as the 5,000 videos are from
            which HowToCaption takes the same quantile.
    """
    found: list[pl.DataFrame] = []
    for (video_id,), lines in sorted(captions.partition_by("video_id", as_dict=True).items()):
        lines = lines.sort("line_index").with_row_index("row")
        streams = video_streams(features, str(video_id))
        matched = pl.DataFrame(schema={"row": pl.UInt32, **dict.fromkeys(_MEASURED, pl.Float64)})
        if streams is not None:
            matched = _matched(model, streams, lines)
        missing = "no features" if streams is None else "no known word, or no clip within the video"
        found.append(
            lines.join(matched, on="row", how="left", maintain_order="left").with_columns(missing=pl.lit(missing))
        )
    table = load_tables()["rewritten_clips"]
    if not found:
        return table.frame([])
    rows = pl.concat(found)
    least = rows["score"].quantile(1 - keep_share, "linear")
    reason = (
        pl.when(pl.col("score").is_null())
        .then("missing")
        .when(pl.col("score") < min_similarity)
        .then(pl.lit(f"similarity below {min_similarity:g}"))
        .when(pl.lit(keep_share < 1) & (pl.col("score") < pl.lit(least, pl.Float64)))
        .then(pl.lit(f"not among the most similar {keep_share:.3g} of the shard's captions"))
    )
    rows = rows.with_columns(reason=reason)
    return rows.with_columns(kept=pl.col("reason").is_null()).select(list(table.column_types)).cast(table.schema)


_MEASURED = ("start_s", "end_s", "shift_s", "score")


def _matched(model: TextVideoModel, streams: Sequence[Stream], lines: pl.DataFrame) -> pl.DataFrame:
    """row and ``_MEASURED`` of those captions of a video that have a known word and a clip within the video."""
    duration_s = min(len(stream.features) / stream.rate_hz for stream in streams)
    stated = lines["second_s"].to_numpy().astype(np.float64)
    start_s = np.minimum(stated, max(duration_s - CLIP_S, 0))
    best = align_captions(model, streams, start_s, start_s + CLIP_S, lines["text"].to_list(), RADIUS_S, CLIP_S)
    columns = (
        best.start_s,
        np.minimum(best.end_s, duration_s),
        best.start_s - stated[best.caption],
        best.score.astype(np.float64),
    )
    return pl.DataFrame({"row": best.caption.astype(np.uint32), **dict(zip(_MEASURED, columns, strict=True))})

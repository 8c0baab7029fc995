"""From the lines that a source shows to the data set's clips.

Belongs here: how overlapping windows become lines that follow each other, and what a clip is. Pure functions on frames.
"""

from __future__ import annotations

import polars as pl

from ml.text.tokens import clean, tokenize


def follow_each_other(lines: pl.DataFrame) -> pl.DataFrame:
    """Cut each line at the start of the next one of its video, and at the video's end.

    Speech recognition keeps a line on screen until the line after the next starts, so windows overlap by a whole
    line: end_k = min(end_k, start_{k+1}, duration). No word is lost or repeated; lines that keep no time or no word
    are left out.

    Args:
        lines: video_id, start_s, end_s, text, duration_s (NULL where unknown); in any order.

    Returns:
        The same columns, sorted by video and start.
    """
    ordered = lines.sort("video_id", "start_s", "end_s", "text")
    return ordered.with_columns(
        start_s=pl.col("start_s").clip(lower_bound=0.0),
        end_s=pl.min_horizontal("end_s", pl.col("start_s").shift(-1).over("video_id"), "duration_s"),
    ).filter(pl.col("end_s") > pl.col("start_s"), pl.col("text").str.contains(r"\w"))


def clips(lines: pl.DataFrame) -> pl.DataFrame:
    """Each caption line is a clip [start_s, end_s) (HowTo100M section 3.1).

    Args:
        lines: shard, video_id, start_s, end_s, text, duration_s.

    Returns:
        The columns of the table ``clips``.
    """
    return follow_each_other(lines).select(
        "shard",
        "video_id",
        pl.int_range(pl.len()).over("video_id").cast(pl.Int64).alias("clip_index"),
        "start_s",
        "end_s",
        pl.col("text").alias("caption"),
        pl.col("text").map_elements(clean, return_dtype=pl.String).alias("caption_clean"),
        pl.col("text").map_elements(lambda text: len(tokenize(text)), return_dtype=pl.Int64).alias("word_count"),
    )

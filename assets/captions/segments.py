"""From the lines that a source shows to the data set's clips: overlaps resolved, marks taken off.

See ``sentences`` for clips that are sentences.
"""

from __future__ import annotations

import polars as pl

from assets.captions.marks import without_marks
from assets.captions.sentences import Segmentation, segmented
from assets.captions.shot_borders import split_at_borders
from assets.captions.tracks import WRITTEN
from assets.features.frames.borders import Borders
from ml.text.tokens import clean, tokenize


def verdicts(lines: pl.DataFrame) -> pl.DataFrame:
    """Take the marks off each line and add ``reason``: why it can be no clip, or NULL.

    Args:
        lines: columns of ``captions`` and ``duration_s`` (seconds; NULL is unknown and cuts nothing).
    """
    spoken = without_marks(lines)
    said_nothing = ~lines["text"].str.contains(r"\w")
    reason = (
        pl.when(said_nothing)
        .then(pl.lit("no words"))
        .when(~pl.col("text").str.contains(r"\w"))
        .then(pl.lit("nothing but sound tags and speaker marks"))
        .when(pl.col("end_s") <= pl.col("start_s").clip(lower_bound=0.0))
        .then(pl.lit("ends before it starts"))
        .when(pl.col("start_s") >= pl.col("duration_s"))
        .then(pl.lit("starts after the end of the video"))
    )
    return spoken.with_columns(reason=reason)


def dropped(lines: pl.DataFrame) -> pl.DataFrame:
    """The lines that become no clip, each with its reason: shard, video_id, line_index, reason."""
    return verdicts(lines).filter(pl.col("reason").is_not_null()).select("shard", "video_id", "line_index", "reason")


def resolve_overlaps(lines: pl.DataFrame) -> pl.DataFrame:
    """Cut each line at the start of the next one of its video, and at the video's end.

    Speech recognition keeps a line on screen until the line after the next starts, so windows overlap by a whole
    line: end_k = min(end_k, start_{k+1}, duration). Lines of the same start are one line, in which an equal text is
    there once. No other word is lost or repeated.

    Args:
        lines: shard, video_id, line_index, start_s, end_s, text, word_starts_s, duration_s, in any order; every line
            starts before it ends and before the video does.

    Returns:
        The same columns, sorted by video and start.
    """
    ordered = lines.with_columns(pl.col("start_s").clip(lower_bound=0.0)).sort("video_id", "start_s", "line_index")
    longest = ordered.with_columns(pl.col("end_s").max().over("video_id", "start_s"))
    distinct = longest.unique(["video_id", "start_s", "text"], keep="first", maintain_order=True)
    together = distinct.group_by("shard", "video_id", "start_s", maintain_order=True).agg(
        pl.col("line_index").first(),
        pl.col("end_s").first(),
        pl.col("text").str.join(" "),
        pl.col("word_starts_s").explode(),
        pl.col("word_starts_s").is_not_null().all().alias("timed"),
        pl.col("duration_s").first(),
    )
    together = together.with_columns(word_starts_s=pl.when("timed").then("word_starts_s"))
    end_s = pl.min_horizontal("end_s", pl.col("start_s").shift(-1).over("video_id"), "duration_s")
    return together.with_columns(end_s=end_s).select(lines.columns)


def written_clips(lines: pl.DataFrame) -> pl.DataFrame:
    """Captions that have their own parts of the video, cut at its end; they may overlap, and are sorted by start.

    Args:
        lines: as for ``resolve_overlaps``.
    """
    within = pl.min_horizontal("end_s", "duration_s")
    ordered = lines.with_columns(end_s=within, sentence_index=pl.lit(None, pl.Int64))
    return ordered.sort("video_id", "start_s", "line_index")


def clips(
    captions: pl.DataFrame,
    videos: pl.DataFrame,
    fetches: pl.DataFrame,
    segmentation: Segmentation,
    borders: Borders | None = None,
) -> pl.DataFrame:
    """Each caption line is a clip [start_s, end_s) (HowTo100M section 3.1); or each sentence, as ``segmentation`` says.

    Captions of a release that is no running speech are clips as they are.

    Args:
        captions: rows of ``captions``.
        videos: video_id, duration_s of the videos whose clips are wanted.
        fetches: rows of ``caption_fetches``.
        borders: changes of shot that no clip of running speech may cross.

    Returns:
        The columns of the table ``clips``.
    """
    lines = verdicts(captions.join(videos.select("video_id", "duration_s"), on="video_id"))
    usable = lines.filter(pl.col("reason").is_null()).drop("reason")
    in_writing = fetches.filter(pl.col("source").is_in(WRITTEN)).select("video_id")
    spoken = segmented(resolve_overlaps(usable.join(in_writing, on="video_id", how="anti")), segmentation)
    if borders:
        spoken = split_at_borders(spoken, borders)
    written = written_clips(usable.join(in_writing, on="video_id", how="semi"))
    of_video = pl.int_range(pl.len()).over("video_id").cast(pl.Int64)
    track = fetches.select("video_id", pl.col("source").alias("caption_source"), "language", "language_probability")
    return (
        pl.concat([spoken, written.select(spoken.columns)])
        .join(track, on="video_id", how="left", maintain_order="left")
        .select(
            "shard",
            "video_id",
            of_video.alias("clip_index"),
            "start_s",
            "end_s",
            pl.col("text").alias("caption"),
            pl.col("text").map_elements(clean, return_dtype=pl.String).alias("caption_clean"),
            pl.col("text").map_elements(lambda text: len(tokenize(text)), return_dtype=pl.Int64).alias("word_count"),
            "word_starts_s",
            "sentence_index",
            "caption_source",
            "language",
            "language_probability",
        )
    )

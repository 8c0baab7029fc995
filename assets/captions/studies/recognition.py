"""Comparison of the caption tracks of a source with speech recognition by this project, on the same videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from assets.captions.segments import resolve_overlaps, verdicts
from assets.captions.sentences import words_of
from assets.captions.speech_recognition import Recognised
from assets.captions.tracks import CaptionLine
from assets.lake import load_tables
from ml.metrics.word_errors import word_errors
from ml.text.tokens import tokenize

COMPARED = ("manual", "asr")
"""Tracks of the source that are compared: those in the language of the speech."""
MOST_VIDEOS = 20
"""Recognition of a video takes up to its own length."""

TimedWord = tuple[str, float]
"""A word in lower case, and when it begins, in seconds."""


def studied_videos(fetches: pl.DataFrame, files: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Video, kind of its track, and path of its file, for up to ``MOST_VIDEOS``, spread evenly over the ids.

    Args:
        fetches: rows of ``caption_fetches``; files: rows of ``video_files``.
    """
    tracks = fetches.filter(pl.col("source").is_in(COMPARED)).select("video_id", "source")
    rows = (
        tracks.join(files.filter(status="ok"), on="video_id")
        .sort("video_id")
        .select("video_id", "source", "uri")
        .rows()
    )
    if not rows:
        return []
    return [rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, MOST_VIDEOS).round().astype(int))]


def recognition_study(
    studied: Sequence[tuple[str, str, Path]],
    captions: pl.DataFrame,
    recognise: Callable[[Path], Recognised],
    progress: Callable[[], None] = lambda: None,
) -> pl.DataFrame:
    """Rows of ``speech_recognition_study``.

    Args:
        studied: video, kind of its track, and file.
        captions: rows of ``captions`` of these videos.
        recognise: recognises what is said in a file.
    """
    of_video: Mapping[tuple[object, ...], pl.DataFrame] = captions.partition_by("video_id", as_dict=True)

    def rows() -> Iterator[tuple[object, ...]]:
        for video_id, source, path in studied:
            lines = of_video.get((video_id,))
            yield (video_id, source, *_compared(lines, recognise(path).lines))
            progress()

    return load_tables()["speech_recognition_study"].frame(rows())


def _compared(track: pl.DataFrame | None, recognised: Sequence[CaptionLine]) -> tuple[object, ...]:
    own = [] if track is None else timed_words(track)
    heard = timed_words(_as_captions(recognised))
    errors = word_errors([word for word, _ in own], [word for word, _ in heard])
    shifts = np.array([heard[other][1] - own[place][1] for place, other in errors.same])
    return (
        errors.words,
        len(heard),
        errors.substitutions,
        errors.deletions,
        errors.insertions,
        errors.rate if own else None,
        track is not None and bool(track["word_starts_s"].is_not_null().all()),
        float(np.median(shifts)) if len(shifts) else None,
        float(np.quantile(np.abs(shifts), 0.9)) if len(shifts) else None,
    )


def timed_words(captions: pl.DataFrame) -> list[TimedWord]:
    """The words of one track by their start, without sound tags; equal shares of a line where words have no times.

    Args:
        captions: rows of ``captions`` of one video.
    """
    lines = verdicts(captions.with_columns(duration_s=pl.lit(None, pl.Float64)))
    usable = resolve_overlaps(lines.filter(pl.col("reason").is_null()).drop("reason"))
    return [(word, spoken.start_s) for spoken in words_of(usable) for word in tokenize(spoken.text.lower())]


def _as_captions(lines: Iterable[CaptionLine]) -> pl.DataFrame:
    return load_tables()["captions"].frame(
        ("", "", index, line.start_s, line.end_s, line.text, [start for start, _ in line.words] or None)
        for index, line in enumerate(lines)
    )

"""Fetching the caption tracks of many videos, with one recorded outcome per video.

Waiting, retries and stopping are up to the source. See ``segments`` for what becomes of the lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from assets.captions.speech_recognition import Recognition, recognise
from assets.captions.tracks import Captioned, CaptionedVideos, CaptionTrack
from assets.lake import load_tables
from assets.outcomes import FetchError, SourceError
from ml.text.tokens import tokenize


def fetch_captions(
    source: Captioned,
    video_ids: Iterable[str],
    shard: str,
    recognise: Callable[[str], CaptionTrack] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of ``captions`` and ``caption_fetches`` for the videos of one shard.

    Args:
        recognise: makes a track for a video that has none; None leaves it without.
    """
    lines: list[tuple] = []
    fetches: list[tuple] = []
    for video_id in video_ids:
        track = source.captions(video_id)
        if recognise and track.status in ("no_captions", "disabled"):
            track = recognise(video_id)
        words = sum(len(tokenize(line.text)) for line in track.lines)
        fetches.append(
            (
                shard,
                video_id,
                track.status,
                track.source,
                track.language,
                track.language_probability,
                words,
                track.attempts,
                track.fetched_at or datetime.now(UTC),
                track.next_try_at,
                track.error,
            )
        )
        lines.extend(
            (shard, video_id, i, line.start_s, line.end_s, line.text, [start for start, _ in line.words] or None)
            for i, line in enumerate(track.lines)
        )
    tables = load_tables()
    return tables["captions"].frame(lines), tables["caption_fetches"].frame(fetches)


def recogniser(source: CaptionedVideos, media_root: Path, recognition: Recognition) -> Callable[[str], CaptionTrack]:
    """Makes tracks from what is said in the video's file, which is fetched for it.

    Raises, when first used:
        MissingExtra: the package for speech recognition is not installed.
    """

    def recognised(video_id: str) -> CaptionTrack:
        try:
            found = recognise(source.media(video_id, media_root), recognition)
        except FetchError as refusal:
            outcome = refusal.outcome
            return CaptionTrack(
                outcome.status, error=outcome.error, attempts=outcome.attempts, next_try_at=outcome.next_try_at
            )
        except SourceError as error:
            return CaptionTrack("no_captions", error=f"none, and no file to hear: {error}")
        if not found.lines:
            return CaptionTrack("no_captions", language=found.language, error="none, and no speech was recognised")
        probability = found.language_probability
        return CaptionTrack("ok", "whisper", found.language, found.lines, language_probability=probability)

    return recognised

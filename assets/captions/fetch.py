"""Fetching the caption tracks of many videos, with one recorded outcome a video.

Belongs here: from a source's answers to rows. What the lines mean is told in ``segments``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl

from assets.lake import load_tables
from assets.sources.protocol import VideoSource
from ml.text.tokens import tokenize


def fetch_captions(source: VideoSource, video_ids: Iterable[str], shard: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of ``captions`` and ``caption_fetches`` for the videos of one shard."""
    lines: list[tuple] = []
    fetches: list[tuple] = []
    for video_id in video_ids:
        track = source.captions(video_id)
        words = sum(len(tokenize(line.text)) for line in track.lines)
        fetches.append(
            (
                shard,
                video_id,
                track.status,
                track.source,
                track.language,
                words,
                datetime.now(UTC),
                track.error,
            )
        )
        lines.extend((shard, video_id, i, line.start_s, line.end_s, line.text) for i, line in enumerate(track.lines))
    tables = load_tables()
    return tables["captions"].frame(lines), tables["caption_fetches"].frame(fetches)

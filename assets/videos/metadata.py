"""Metadata that search results lack, for candidates that passed the filters that need no such request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl

from assets.lake import load_tables
from assets.sources.licenses import license_code
from assets.sources.protocol import VideoSource


def fetch_metadata(source: VideoSource, video_ids: Iterable[str], shard: str) -> pl.DataFrame:
    """The rows of ``video_metadata`` for the videos of one shard; captions of a remote source bring them along."""
    rows = []
    for video_id in video_ids:
        about = source.metadata(video_id)
        rows.append(
            (
                shard,
                video_id,
                about.status,
                about.title,
                about.channel_id,
                about.duration_s,
                about.view_count,
                license_code(about.license),
                about.upload_date,
                about.availability,
                about.language,
                about.description,
                about.keywords,
                about.manual_captions,
                about.asr_captions,
                about.attempts,
                about.fetched_at or datetime.now(UTC),
                about.next_try_at,
                about.error,
            )
        )
    return load_tables()["video_metadata"].frame(rows)

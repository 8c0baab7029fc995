"""Other thresholds of the video filters: what they would keep, by the filters themselves, without writing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from assets.lake import Lake
from assets.videos.filters import Limits, candidate_verdicts, video_verdicts

NO_CAPTIONS_YET = "captions not fetched yet"


@dataclass(frozen=True)
class Comparison:
    """Verdicts on the videos of the lake now, and under other limits.

    ``reasons`` has (reason, videos now, videos then), most frequent first. ``gained`` and ``lost`` are video ids.
    ``clips_lost`` are clips of the videos that would be lost. ``waiting`` are videos that the limits let through, whose
    captions are not fetched yet.
    """

    kept: int
    kept_then: int
    clips: int
    clips_lost: int
    waiting: int
    gained: list[str]
    lost: list[str]
    reasons: list[tuple[str, int, int]]


def compare(lake: Lake, limits: Limits, other: Mapping[str, float | int]) -> Comparison:
    """The effect of other thresholds on the stored search results, captions, metadata and re-uploads.

    Args:
        limits: the limits in force.
        other: thresholds by their names in ``Limits``.
    """
    tables = ("search_results", "tasks", "evaluation_videos", "caption_fetches", "video_metadata", "video_duplicates")
    stored = {name: lake.read(name).pl() for name in tables}
    now, then = (_verdicts(stored, each) for each in (limits, replace(limits, **other)))  # type: ignore[arg-type]
    kept, kept_then = ({video for video, reason in each.items() if reason is None} for each in (now, then))
    before, after = (Counter(reason for reason in each.values() if reason) for each in (now, then))
    lost = sorted(kept - kept_then)
    clips = dict(lake.sql("SELECT video_id, count(*) FROM clips GROUP BY video_id").fetchall())
    reasons = sorted(before | after, key=lambda reason: (-max(before[reason], after[reason]), reason))
    return Comparison(
        len(kept),
        len(kept_then),
        sum(clips.values()),
        sum(clips.get(video, 0) for video in lost),
        after[NO_CAPTIONS_YET],
        sorted(kept_then - kept),
        lost,
        [(reason, before[reason], after[reason]) for reason in reasons],
    )


def _verdicts(stored: Mapping[str, pl.DataFrame], limits: Limits) -> dict[str, str | None]:
    """The reason for which each candidate is dropped, None for a video that is kept."""
    candidates = candidate_verdicts(stored["search_results"], stored["tasks"], stored["evaluation_videos"], limits)
    videos = video_verdicts(
        candidates, stored["caption_fetches"], stored["video_metadata"], stored["video_duplicates"], limits
    )
    best = candidates.sort("kept", "rank", "task_id", descending=[True, False, False]).unique("video_id", keep="first")
    return dict(best.select("video_id", "reason").iter_rows()) | dict(videos.select("video_id", "reason").iter_rows())

"""Other thresholds of videos and clips: what they would keep, by the filters themselves, without writing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import polars as pl
from pydantic import TypeAdapter

from assets.features.frames.options import ClipLimits
from assets.features.frames.quality import reason_sql
from assets.lake import Lake
from assets.options import Options
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


@dataclass(frozen=True)
class ClipComparison:
    """Verdicts on the clips of the lake now, and under other limits.

    ``reasons`` as for videos. ``gained`` and ``lost`` count clips; ``changed`` has the SQL conditions that select them.
    """

    kept: int
    kept_then: int
    gained: int
    lost: int
    reasons: list[tuple[str, int, int]]
    changed: dict[str, str]


Limited = TypeVar("Limited", bound=Options)


def other_limits(limits: Limited, other: Mapping[str, str]) -> Limited:
    """The limits with other thresholds.

    Args:
        other: thresholds by their names in the class of the limits, as settings have them.
    """
    return TypeAdapter(type(limits)).validate_python({**vars(limits), **other})


def compare_clips(lake: Lake, limits: ClipLimits, other: Mapping[str, str]) -> ClipComparison:
    """The effect of other thresholds on the measures that the table ``clip_quality`` has."""
    now, then = (reason_sql(each) for each in (limits, other_limits(limits, other)))
    query = f"""
        SELECT {now} AS now, {then} AS later, count(*)
        FROM clip_quality LEFT JOIN (SELECT video_id, duplicate_of FROM visual_duplicates) USING (video_id) GROUP BY ALL
    """
    rows = lake.sql(query).fetchall()
    before, after = (_counted(rows, place) for place in (0, 1))
    gained, lost = (f"({one}) IS NOT NULL AND ({other}) IS NULL" for one, other in ((now, then), (then, now)))
    return ClipComparison(
        sum(count for reason, _, count in rows if reason is None),
        sum(count for _, reason, count in rows if reason is None),
        sum(count for one, later, count in rows if one is not None and later is None),
        sum(count for one, later, count in rows if one is None and later is not None),
        _by_frequency(before, after),
        {"gained": gained, "lost": lost},
    )


def _counted(rows: Iterable[tuple[str | None, str | None, int]], place: int) -> Counter[str]:
    found = Counter[str]()
    for row in rows:
        if reason := row[place]:
            found[str(reason)] += row[2]
    return found


def _by_frequency(before: Counter[str], after: Counter[str]) -> list[tuple[str, int, int]]:
    reasons = sorted(before | after, key=lambda reason: (-max(before[reason], after[reason]), reason))
    return [(reason, before[reason], after[reason]) for reason in reasons]


def compare(lake: Lake, limits: Limits, other: Mapping[str, str]) -> Comparison:
    """The effect of other thresholds on the stored search results, captions, metadata and re-uploads.

    Args:
        limits: the limits in force.
        other: thresholds by their names in ``Limits``, as settings have them.
    """
    tables = ("search_results", "tasks", "evaluation_videos", "caption_fetches", "video_metadata", "video_duplicates")
    stored = {name: lake.read(name).pl() for name in tables}
    now, then = (_verdicts(stored, each) for each in (limits, other_limits(limits, other)))
    kept, kept_then = ({video for video, reason in each.items() if reason is None} for each in (now, then))
    before, after = (Counter(reason for reason in each.values() if reason) for each in (now, then))
    lost = sorted(kept - kept_then)
    clips = dict(lake.sql("SELECT video_id, count(*) FROM clips GROUP BY video_id").fetchall())
    return Comparison(
        len(kept),
        len(kept_then),
        sum(clips.values()),
        sum(clips.get(video, 0) for video in lost),
        after[NO_CAPTIONS_YET],
        sorted(kept_then - kept),
        lost,
        _by_frequency(before, after),
    )


def _verdicts(stored: Mapping[str, pl.DataFrame], limits: Limits) -> dict[str, str | None]:
    """The reason for which each candidate is dropped, None for a video that is kept."""
    candidates = candidate_verdicts(stored["search_results"], stored["tasks"], stored["evaluation_videos"], limits)
    videos = video_verdicts(
        candidates, stored["caption_fetches"], stored["video_metadata"], stored["video_duplicates"], limits
    )
    best = candidates.sort("kept", "rank", "task_id", descending=[True, False, False]).unique("video_id", keep="first")
    return dict(best.select("video_id", "reason").iter_rows()) | dict(videos.select("video_id", "reason").iter_rows())

"""Where the shots of videos end: reading the times, and the picture by which a clip is shown."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

import duckdb

from assets.lake import Lake

SHOTS = "shots"

Borders = Mapping[str, Sequence[float]]
"""The changes of shot of each video, in seconds, in order."""


def borders_of_shard(lake: Lake, shard: str) -> Borders:
    """The changes of shot of the videos of a shard."""
    return _borders(lake.read(SHOTS, [shard]))


def borders_of_videos(lake: Lake, video_ids: Sequence[str]) -> Borders:
    """The changes of shot of some videos; none in a lake whose videos were not decoded yet."""
    if not video_ids or not lake.has(SHOTS):
        return {}
    query = f"SELECT * FROM {SHOTS} WHERE video_id IN (SELECT unnest($video_ids))"
    return _borders(lake.sql(query, video_ids=list(video_ids)))


def _borders(shots: duckdb.DuckDBPyRelation) -> Borders:
    changes = shots.filter("shot_index > 0").project("video_id, start_s").order("video_id, start_s")
    found: dict[str, list[float]] = {}
    for video_id, start_s in changes.fetchall():
        found.setdefault(video_id, []).append(start_s)
    return found


def stretches(start_s: float, end_s: float, borders: Sequence[float]) -> list[tuple[float, float]]:
    """The parts of a clip between changes of shot, in order."""
    within = borders[bisect_right(borders, start_s) : bisect_left(borders, end_s)]
    return list(pairwise([start_s, *within, end_s]))


def still_s(start_s: float, end_s: float, borders: Sequence[float]) -> float:
    """The time of the picture that shows a clip: the middle of what it has of the shot that it shows longest."""
    first, last = max(stretches(start_s, end_s, borders), key=lambda each: each[1] - each[0])
    return (first + last) / 2

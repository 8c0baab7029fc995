"""Random sample clips of a snapshot, with small frames."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.card.blocks import SampleClip
from assets.features.timeline import DecodeError
from assets.lake.snapshot import Snapshot
from assets.media.stills import stills

FRAMES = 3
LARGEST = (240, 180)
"""Maximum width and height of a frame in pixels."""

_DRAWN = """
    WITH numbered AS (
        SELECT *, row_number() OVER (PARTITION BY video_id ORDER BY md5($seed || ':' || video_id || ':' || clip_index))
            AS draw
        FROM {clips}
        WHERE video_id IN (
            SELECT video_id FROM {videos} WHERE kept ORDER BY md5($seed || ':' || video_id) LIMIT $count
        )
    )

    SELECT clip.video_id, video.title, video.category_1 AS category, clip.start_s, clip.end_s, clip.caption
    FROM numbered AS clip
    INNER JOIN {videos} AS video ON clip.video_id = video.video_id
    WHERE clip.draw = 1
    ORDER BY clip.video_id
"""


def draw(snapshot: Snapshot, media_root: Path, count: int, seed: int) -> list[SampleClip]:
    """One random clip of each of ``count`` random videos, with frames from its start, middle and end.

    The same snapshot and seed give the same clips.
    """
    files: dict[str, tuple[str | None, str | None]] = {}
    if snapshot.has("video_files"):
        listed = snapshot.sql("SELECT video_id, uri, error FROM {video_files}")
        files = {video_id: (uri, error) for video_id, uri, error in listed.iter_rows()}
    drawn = snapshot.sql(_DRAWN, seed=str(seed), count=count)
    return [_clip(row, *files.get(row["video_id"], (None, None)), media_root) for row in drawn.iter_rows(named=True)]


def _clip(row: dict[str, Any], uri: str | None, error: str | None, media_root: Path) -> SampleClip:
    if error is not None or uri is None:
        return SampleClip(**row, frames=(), problem=error or "no file of this video has been fetched")
    length = row["end_s"] - row["start_s"]
    times = [row["start_s"] + length * (2 * frame + 1) / (2 * FRAMES) for frame in range(FRAMES)]
    try:
        frames = [frame for frame in stills(media_root / uri, times) if frame is not None]
    except DecodeError as refusal:
        return SampleClip(**row, frames=(), problem=str(refusal))
    return SampleClip(
        **row, frames=[_jpeg(frame) for frame in frames], problem="" if frames else "the file ends before the clip"
    )


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(frame)
    picture.thumbnail(LARGEST)
    written = io.BytesIO()
    picture.save(written, format="jpeg", quality=75, optimize=True)
    return written.getvalue()

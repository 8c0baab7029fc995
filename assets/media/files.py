"""Getting the files of the data set's videos, with one recorded outcome per video: checksums and containers.

See ``assets/features`` for decoding pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from assets.features.decode import DecodeError, probe
from assets.lake import load_tables
from assets.outcomes import FetchError, SourceError
from assets.sources.protocol import VideoSource
from ml.files import file_hash
from ml.machine import require_sound_machine


def fetch_files(
    source: VideoSource,
    video_ids: Iterable[str],
    shard: str,
    media_root: Path,
    progress: Callable[[str], None] | None = None,
    workers: int = 2,
) -> pl.DataFrame:
    """Fetch each video's file into ``media_root``, or record why there is none (columns of ``video_files``).

    Raises:
        OSError: this machine cannot write or read files now, for example because the disk is full.
    """
    media_root.mkdir(parents=True, exist_ok=True)

    contract = load_tables()["video_files"]

    def fetch(video_id: str) -> tuple[object, ...]:
        row = {"shard": shard, "video_id": video_id, **_describe(source, video_id, media_root)}
        if progress:
            progress(video_id)
        return tuple(row.get(column.name) for column in contract.columns)

    with ThreadPoolExecutor(workers) as pool:
        return contract.frame(pool.map(fetch, video_ids))


def _describe(source: VideoSource, video_id: str, media_root: Path) -> dict[str, object]:
    try:
        path = source.media(video_id, media_root)
    except FetchError as refusal:
        outcome = refusal.outcome
        known = {"attempts": outcome.attempts, "next_try_at": outcome.next_try_at, "error": str(refusal)}
        return {"status": outcome.status, **known}
    except SourceError as error:
        return {"status": "failed", "attempts": 1, "error": str(error)}
    uri = str(path.relative_to(media_root)) if path.is_relative_to(media_root) else str(path)
    try:
        return {"uri": uri, "attempts": 1, **describe(path)}
    except OSError as error:
        require_sound_machine(error)
        return {"uri": uri, "status": "failed", "attempts": 1, "error": f"{path.name}: {error.strerror or error}"}


def describe(path: Path) -> dict[str, object]:
    """Size, checksum and format of a file, without decoding it, or why it is no video.

    Raises:
        OSError: the file cannot be read.
    """
    row: dict[str, object] = {"bytes": path.stat().st_size, "sha256": file_hash(path)}
    try:
        info = probe(path)
    except DecodeError as error:
        return {**row, "status": "failed", "error": str(error)}
    return {
        **row,
        "width": info.width,
        "height": info.height,
        "frame_rate": info.frame_rate,
        "duration_s": info.duration_s,
        "status": "ok",
    }

"""Video files from YouTube: one whole file per video, within a quota of the disk."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from yt_dlp.utils import DownloadCancelled

from assets.media.suffixes import VIDEO_SUFFIXES
from assets.outcomes import FetchError
from assets.sources.http import RateLimiter
from assets.sources.youtube.errors import YTDLP_ERRORS, not_now
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.player import WATCH, Players
from assets.sources.youtube.polite import PoliteYoutubeDL
from ml.files import file_hash


class Quota:
    """Bytes that the files of a folder may take, over all threads of this process; None: no limit."""

    def __init__(self, folder: Path, limit: int | None) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._used = sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if limit else 0
        self._reached = False

    def claim(self, count: int) -> None:
        """Claim so many bytes more. After one refusal all are refused, so that the rest of a run makes no request.

        Raises:
            FetchError: too few are left; a later run may have more.
        """
        with self._lock:
            if self.limit is None:
                return
            self._reached = self._reached or self._used + max(count, 1) > self.limit
            if self._reached:
                raise not_now(
                    f"the disk quota of {self.limit:,} bytes is reached; raise HOWTO_MEDIA_QUOTA_GB or make room",
                    timedelta(0),
                )
            self._used += count

    def settle(self, count: int) -> None:
        """Count what was written beyond the claim, or give back when negative."""
        with self._lock:
            self._used += count


class _Stopped(DownloadCancelled):
    """The download must end; with its error, and whether its part is of use later."""

    def __init__(self, error: FetchError, keep_part: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.keep_part = keep_part


class Downloads:
    """Files fetched into one folder, by one thread; a file under its final name is whole."""

    def __init__(self, folder: Path, quota: Quota, options: YouTubeOptions, limiter: RateLimiter) -> None:
        self.folder, self.quota, self.options = folder, quota, options
        height = options.media_height
        params = {
            # One file that needs no joining, so no ffmpeg: with sound if there is one, else the pictures alone; the
            # least above the height if there is none below.
            "format": f"b[height<={height}]/bv*[height<={height}]/b/bv*",
            # H.264 costs the least to decode.
            "format_sort": [f"res:{height}", "vcodec:h264", "ext:mp4"],
            "outtmpl": {"default": str(folder / "%(id)s.%(ext)s")},
            "fixup": "never",
            "updatetime": False,
            "progress_hooks": [self._on_progress],
        }
        self.players = Players(options, limiter, params, None)
        self._claimed = 0

    def fetch(self, video_id: str) -> bytes:
        """Fetch the file; one request in addition to those for its bytes. A part that a killed run left is continued.

        Returns:
            A JSON object: ``file`` (name in the folder), ``bytes``, ``sha256``, ``format_id``, ``height``.

        Raises:
            FetchError: it was not received whole.
        """
        self.quota.claim(0)
        self._claimed = self._on_disk(video_id)
        try:
            info, _ = self.players.first_answer(lambda ydl: self._extract(ydl, video_id))
        except _Stopped as stopped:
            for part in [] if stopped.keep_part else self._parts(video_id):
                part.unlink()
            raise stopped.error from stopped
        finally:
            self.quota.settle(self._on_disk(video_id) - self._claimed)
        path = finished(self.folder, video_id)
        if path is None or info is None:
            raise not_now("yt-dlp made no file")
        return describe(path, {"format_id": info.get("format_id"), "height": info.get("height")})

    def _extract(self, ydl: PoliteYoutubeDL, video_id: str) -> dict[str, Any] | None:
        try:
            return ydl.extract_info(WATCH.format(video_id), download=True)
        except YTDLP_ERRORS:
            if ydl.refused is None or ydl.refused.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
        # A part with every byte, of a run killed before its last rename: yt-dlp would request what follows for ever.
        for part in self._parts(video_id):
            part.unlink()
        ydl.begin()
        return ydl.extract_info(WATCH.format(video_id), download=True)

    def _on_disk(self, video_id: str) -> int:
        path = finished(self.folder, video_id)
        return sum(part.stat().st_size for part in [*self._parts(video_id), *filter(None, [path])])

    def _parts(self, video_id: str) -> list[Path]:
        names = (f"{video_id}{suffix}{rest}" for suffix in VIDEO_SUFFIXES for rest in (".part", ".ytdl"))
        return [path for name in names if (path := self.folder / name).exists()]

    def _on_progress(self, progress: dict[str, Any]) -> None:
        needed = max(int(progress.get("total_bytes") or 0), int(progress.get("downloaded_bytes") or 0))
        if needed > self._claimed:
            try:
                self.quota.claim(needed - self._claimed)
            except FetchError as error:
                raise _Stopped(error, keep_part=False) from error
            self._claimed = needed
        if (progress.get("elapsed") or 0) > self.options.media_timeout_s:
            late = not_now(f"the file was not whole after {self.options.media_timeout_s:g} s")
            raise _Stopped(late, keep_part=True)


def finished(folder: Path, video_id: str) -> Path | None:
    """The whole file of a video; yt-dlp gives a file its name when it is whole."""
    paths = (folder / f"{video_id}{suffix}" for suffix in sorted(VIDEO_SUFFIXES))
    return next((path for path in paths if path.is_file()), None)


def describe(path: Path, known: dict[str, Any]) -> bytes:
    """What the journal keeps of a whole file, as a JSON object."""
    digest = file_hash(path)
    return json.dumps({"file": path.name, "bytes": path.stat().st_size, "sha256": digest, **known}).encode()

"""The player's answer about one video: metadata and the list of its caption tracks, in one request.

Belongs here: asking for it with yt-dlp and reading metadata from it. Captions are chosen from it in ``captions``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assets.outcomes import FetchError
from assets.sources.http import RateLimiter
from assets.sources.journal import Record
from assets.sources.protocol import VideoMetadata
from assets.sources.youtube.errors import YTDLP_ERRORS, not_now, of_ytdlp
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.polite import PoliteYoutubeDL, ydl_params

WATCH = "https://www.youtube.com/watch?v={}"

SPOKEN = "-orig"
"""What yt-dlp adds to the language code of a track that was recognised in the spoken language."""

WITHHELD = "captions_withheld"
"""Key of the information: yt-dlp left out caption tracks because it could not authorise itself."""

_FIELDS = ("id", "title", "channel_id", "duration", "view_count", "language", "description", "tags", "live_status")


def extractor_args(options: YouTubeOptions) -> dict[str, dict[str, list[str]]]:
    """What yt-dlp may leave out, so that one request is enough.

    Measured: two requests and 116 ms of CPU a video as it is, one and 25 ms so. A login takes the others as well, for
    clients without the watch page do not carry cookies.
    """
    skip = {"skip": ["translated_subs", "hls", "dash"]}
    if options.cookies:
        return {"youtube": skip}
    return {
        "youtube": {
            **skip,
            "player_client": ["visionos"],
            "player_skip": ["webpage", "configs", "js", "initial_data"],
        }
    }


class Player:
    """Answers of the player, for one thread. The last one is kept: its captions are usually asked for next."""

    def __init__(self, options: YouTubeOptions, limiter: RateLimiter) -> None:
        # Nothing is written; only who wants subtitles is told that some were left out.
        params = {"writesubtitles": True, "extractor_args": extractor_args(options), **ydl_params(options)}
        self.ydl = PoliteYoutubeDL(params, limiter, options.response_timeout_s)
        self._last: tuple[str, dict[str, Any] | FetchError] | None = None

    def info(self, video_id: str) -> dict[str, Any]:
        """yt-dlp's information about a video. Addresses in it are signed and expire: use them now, never store them.

        Raises:
            FetchError: the video is not played here, or the question failed.
        """
        if self._last is None or self._last[0] != video_id:
            self._last = (video_id, self._ask(video_id))
        answer = self._last[1]
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def _ask(self, video_id: str) -> dict[str, Any] | FetchError:
        self.ydl.begin()
        try:
            info = self.ydl.extract_info(WATCH.format(video_id), download=False, process=False)
        except YTDLP_ERRORS as error:
            refusal = of_ytdlp(error, self.ydl)
            if refusal.outcome.status in ("retry", "blocked"):
                raise refusal from error
            return refusal
        if info is None or info.get("id") != video_id:
            raise not_now("the player answered about another video")
        return {**info, WITHHELD: any("missing subtitles" in warning for warning in self.ydl.warnings)}


def metadata(info: Mapping[str, Any]) -> bytes:
    """What is kept of a player's answer, as a JSON object."""
    kept = {name: info.get(name) for name in _FIELDS}
    kept["manual_captions"] = sorted(own_tracks(info.get("subtitles")))
    recognised = own_tracks(info.get("automatic_captions"))
    kept["asr_captions"] = sorted({name.removesuffix(SPOKEN) for name in recognised})
    # Speech is recognised in the language that is spoken.
    spoken = (name.removesuffix(SPOKEN) for name in recognised if name.endswith(SPOKEN))
    kept["language"] = kept["language"] or next(spoken, None)
    return json.dumps(kept, ensure_ascii=False).encode()


def read_metadata(record: Record) -> VideoMetadata:
    """The metadata of a video as it was remembered, or why there is none."""
    known = json.loads(record.body) if record.body else {}
    return VideoMetadata(
        record.status,
        title=known.get("title"),
        channel_id=known.get("channel_id"),
        duration_s=known.get("duration"),
        view_count=known.get("view_count"),
        language=known.get("language"),
        description=known.get("description"),
        keywords=tuple(known.get("tags") or ()),
        manual_captions=tuple(known.get("manual_captions") or ()),
        asr_captions=tuple(known.get("asr_captions") or ()),
        error=record.error,
        attempts=record.attempts,
        fetched_at=record.fetched_at,
        next_try_at=record.next_try_at,
    )


def own_tracks(listed: Mapping[str, Any] | None) -> dict[str, str]:
    """Addresses of the json3 form of caption tracks by language; machine translations and live chats are left out."""
    tracks = {}
    for language, forms in (listed or {}).items():
        address = next((form["url"] for form in forms if form.get("ext") == "json3"), None)
        if address is not None and "tlang=" not in address:
            tracks[language] = address
    return tracks

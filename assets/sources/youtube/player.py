"""The player's answer about one video: metadata and the list of its caption tracks, in one request.

See ``captions`` for the choice of a track, and ``javascript`` for the players that need a runtime.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

from yt_dlp.utils import DownloadCancelled

from assets.outcomes import FetchError
from assets.sources.chapter_lists import listed_chapters
from assets.sources.http import RateLimiter
from assets.sources.journal import Record
from assets.sources.protocol import VideoMetadata
from assets.sources.youtube.errors import YTDLP_ERRORS, is_refusal_of_player, not_now, of_ytdlp
from assets.sources.youtube.javascript import needs_javascript
from assets.sources.youtube.options import YouTubeOptions
from assets.sources.youtube.polite import PoliteYoutubeDL, ydl_params
from assets.values import Fields

WATCH = "https://www.youtube.com/watch?v={}"

SPOKEN = "-orig"
"""What yt-dlp adds to the language code of a track that was recognised in the spoken language."""

WITHHELD = "captions_withheld"
"""Key of the information: yt-dlp left out caption tracks because it could not authorise itself."""

LOGGED_IN = "default"
"""The players of a login: those that yt-dlp chooses for one."""

_FIELDS = (
    "id",
    "title",
    "channel_id",
    "duration",
    "view_count",
    "license",
    "upload_date",
    "availability",
    "language",
    "description",
    "tags",
    "live_status",
    "chapters",
)
Answer = TypeVar("Answer")


class Players:
    """One ``YoutubeDL`` per kind of player, for one thread: the next kind is tried where one is refused."""

    def __init__(
        self, options: YouTubeOptions, limiter: RateLimiter, params: Mapping[str, Any], seconds: float | None
    ) -> None:
        self._options, self._limiter, self._params, self._seconds = options, limiter, params, seconds
        self._made: dict[str, PoliteYoutubeDL] = {}

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return (LOGGED_IN,) if self._options.cookies else self._options.players

    def _ydl(self, name: str) -> PoliteYoutubeDL:
        if name not in self._made:
            arguments = extractor_args(name, self._options.watch_page)
            params = {**self._params, "extractor_args": arguments, **ydl_params(self._options)}
            self._made[name] = PoliteYoutubeDL(params, self._limiter, self._seconds)
        return self._made[name]

    def first_answer(self, request: Callable[[PoliteYoutubeDL], Answer]) -> tuple[Answer, PoliteYoutubeDL]:
        """The answer of the first player that is not refused, and its ``YoutubeDL``.

        Raises:
            FetchError: no player got an answer; it is the first one's.
        """
        refusals: list[tuple[FetchError, BaseException]] = []
        for name in self._names:
            ydl = self._ydl(name)
            ydl.begin()
            try:
                return request(ydl), ydl
            except DownloadCancelled:
                raise
            except YTDLP_ERRORS as error:
                refusals.append((of_ytdlp(error, ydl), ydl.broken or error))
                if not is_refusal_of_player(error, ydl):
                    break
        refusal, cause = refusals[0]
        raise refusal from cause


def extractor_args(player: str, watch_page: bool) -> dict[str, dict[str, list[str]]]:
    """What yt-dlp may leave out, so that one request is enough where the player allows it.

    Measured: two requests and 116 ms of CPU per video by default, one and 25 ms so. A login needs the watch page, and
    players with JavaScript need their configuration and script. Licence and day of upload are on the watch page alone.
    """
    skip = {"skip": ["translated_subs", "hls", "dash"]}
    if player == LOGGED_IN:
        return {"youtube": skip}
    left_out = [] if watch_page else ["webpage", "initial_data"]
    left_out += [] if needs_javascript(player) else ["configs", "js"]
    return {"youtube": {**skip, "player_client": [player], "player_skip": left_out}}


class Player:
    """Answers of the player, for one thread. The last one is kept: its captions are usually requested next."""

    def __init__(self, options: YouTubeOptions, limiter: RateLimiter) -> None:
        # Nothing is written; only with this option yt-dlp reports subtitles that it leaves out.
        self.players = Players(options, limiter, {"writesubtitles": True}, options.response_timeout_s)
        self._last: tuple[str, tuple[dict[str, Any], PoliteYoutubeDL] | FetchError] | None = None

    def info(self, video_id: str) -> dict[str, Any]:
        """yt-dlp's information about a video. Addresses in it are signed and expire: use them now, never store them.

        Raises:
            FetchError: the video is not played here, or the request failed.
        """
        return self.answer(video_id)[0]

    def answer(self, video_id: str) -> tuple[dict[str, Any], PoliteYoutubeDL]:
        """As ``info``, with the ``YoutubeDL`` that may read its addresses."""
        if self._last is None or self._last[0] != video_id:
            self._last = (video_id, self._request(video_id))
        answer = self._last[1]
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def _request(self, video_id: str) -> tuple[dict[str, Any], PoliteYoutubeDL] | FetchError:
        address = WATCH.format(video_id)
        try:
            info, ydl = self.players.first_answer(lambda ydl: ydl.extract_info(address, download=False, process=False))
        except FetchError as refusal:
            if refusal.outcome.status in ("retry", "blocked"):
                raise
            return refusal
        if info is None or info.get("id") != video_id:
            raise not_now("the player answered about another video")
        return {**info, WITHHELD: any("missing subtitles" in warning for warning in ydl.warnings)}, ydl


def metadata(info: Mapping[str, Any]) -> bytes:
    """What is kept of a player's answer, as a JSON object."""
    kept = {name: info.get(name) for name in _FIELDS}
    kept["manual_captions"] = sorted(own_tracks(info.get("subtitles")))
    recognised = own_tracks(info.get("automatic_captions"))
    kept["asr_captions"] = sorted({name.removesuffix(SPOKEN) for name in recognised})
    # Speech is recognised in the language that is spoken.
    spoken = (name.removesuffix(SPOKEN) for name in recognised if name.endswith(SPOKEN))
    kept["language"] = kept["language"] or next(spoken, None)
    return json.dumps(kept).encode()


def read_metadata(record: Record) -> VideoMetadata:
    """The stored metadata of a video, or why there is none; an odd value costs its field, and ``error`` names it."""
    known = json.loads(record.body) if record.body else {}
    fields = Fields(known if isinstance(known, dict) else {}, "metadata")
    read = VideoMetadata(
        record.status,
        title=fields.text("title"),
        channel_id=fields.text("channel_id"),
        duration_s=fields.number("duration", 0),
        view_count=fields.integer("view_count", 0),
        license=fields.text("license"),
        upload_date=fields.date("upload_date"),
        availability=fields.text("availability"),
        language=fields.text("language"),
        description=fields.text("description"),
        keywords=fields.texts("tags"),
        manual_captions=fields.texts("manual_captions"),
        asr_captions=fields.texts("asr_captions"),
        chapters=listed_chapters(fields),
        attempts=record.attempts,
        fetched_at=record.fetched_at,
        next_try_at=record.next_try_at,
    )
    return replace(read, error=record.error or "; ".join(each.problem for each in fields.problems) or None)


def own_tracks(listed: Any) -> dict[str, str]:
    """Addresses of the json3 form of caption tracks by language; machine translations and live chats are left out."""
    tracks = {}
    for language, forms in listed.items() if isinstance(listed, Mapping) else ():
        usable = (form for form in forms if isinstance(form, Mapping)) if isinstance(forms, list) else ()
        address = next((form.get("url") for form in usable if form.get("ext") == "json3"), None)
        if isinstance(address, str) and "tlang=" not in address:
            tracks[str(language)] = address
    return tracks

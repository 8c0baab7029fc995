"""What can be chosen about collecting from YouTube."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SearchBackend = Literal["yt-dlp", "data-api"]
CaptionClient = Literal["youtube-transcript-api", "yt-dlp"]


@dataclass(frozen=True)
class YouTubeOptions:
    """Options of a ``YouTubeSource``.

    Args:
        search: who searches: yt-dlp, or the Data API v3, which needs ``api_key`` and has a daily quota.
        subtitles_only: only results that have subtitles are searched for.
        search_max_age_days: age from which a search answer is asked for again; None: never.
        caption_clients: who is asked for captions, in this order. yt-dlp reads them from the metadata answer, so it
            needs one request more and knows word times; youtube-transcript-api needs three and knows lines.
        media_height: picture height in pixels that a video file has at most, where YouTube offers it.
        media_quota_bytes: bytes that video files may take altogether; None: no limit.
        requests_per_second: most requests a second of this process, to all hosts together.
        jitter_s: random extra wait before each request, up to so many seconds.
        tries: how often a run asks for a thing that fails for the moment.
        retry_wait_s: seconds before the second try; doubled for each further one.
        response_timeout_s: seconds that an answer may take in all, other than a video file.
        media_timeout_s: seconds that a video file may take in all.
        proxy: address of an HTTP or SOCKS proxy for all requests.
        cookies: file of cookies in Netscape format, for yt-dlp. With a login each video costs more requests.
        yt_dlp: further options of yt-dlp's ``YoutubeDL``, which win over those made here.
    """

    search: SearchBackend = "yt-dlp"
    api_key: str | None = field(default=None, repr=False)
    subtitles_only: bool = True
    search_max_age_days: float | None = None
    caption_clients: tuple[CaptionClient, ...] = ("youtube-transcript-api", "yt-dlp")
    media_height: int = 360
    media_quota_bytes: int | None = None
    requests_per_second: float = 1.0
    jitter_s: float = 0.5
    tries: int = 3
    retry_wait_s: float = 5.0
    response_timeout_s: float = 60.0
    media_timeout_s: float = 3600.0
    proxy: str | None = field(default=None, repr=False)
    cookies: Path | None = None
    yt_dlp: Mapping[str, Any] = field(default_factory=dict)

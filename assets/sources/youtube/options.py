"""Options of collecting from YouTube."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr

from assets.options import ExistingFile, Options, Variable, listed
from assets.sources.options import RequestsPerSecond

SearchBackend = Literal["yt-dlp", "data-api"]
CaptionClient = Literal["youtube-transcript-api", "yt-dlp"]


@dataclass(frozen=True)
class YouTubeOptions(Options):
    """Options of a ``YouTubeSource``.

    Args:
        search: client of searches. The Data API v3 needs ``api_key`` and has a daily quota.
        caption_clients: clients that captions are requested from, in this order. yt-dlp reads them from the metadata
            response, so it needs one more request and has word times; youtube-transcript-api needs three requests and
            has lines only.
        players: the next kind is tried where one is refused. Most kinds other than the defaults need a JavaScript
            runtime (extra ``youtube``). With ``cookies``, yt-dlp chooses.
        media_quota_gb: GB that all video files may take; None: no limit.
        jitter_s: longest random wait added before each request, in seconds.
        tries: how often a run requests something that fails temporarily.
        retry_wait_s: seconds before the second try; doubled for each further one.
        response_timeout_s: seconds that a response may take in all, other than a video file.
        media_timeout_s: seconds that a video file may take in all.
        cookies: with a login, each video costs more requests.
        yt_dlp: further options of yt-dlp's ``YoutubeDL``, which override those set here.
    """

    group: ClassVar = "WikiHow and YouTube"

    search: Annotated[SearchBackend, Variable("search_backend"), Field(description="client that searches YouTube")] = (
        "yt-dlp"
    )
    api_key: Annotated[
        SecretStr | None,
        Variable("youtube_api_key"),
        Field(description="key of the YouTube Data API, for HOWTO_SEARCH_BACKEND=data-api"),
    ] = None
    subtitles_only: Annotated[bool, Field(description="search only for videos that have subtitles")] = True
    search_max_age_days: Annotated[
        float | None, Field(gt=0, description="days after which a search is repeated; not set: never")
    ] = None
    caption_clients: tuple[CaptionClient, ...] = ("youtube-transcript-api", "yt-dlp")
    players: Annotated[
        tuple[str, ...],
        BeforeValidator(listed),
        Field(min_length=1, description="kinds of players that yt-dlp requests videos as, in this order, with commas"),
    ] = ("visionos", "android")
    watch_page: Annotated[
        bool,
        Field(description="request the watch page of each video too: one more request, for licence and day of upload"),
    ] = False
    media_height: Annotated[
        int, Field(ge=16, description="highest picture height of a video file that is fetched, in pixels")
    ] = 360
    media_quota_gb: Annotated[
        float | None, Field(gt=0, description="GB that fetched video files may take; not set: no limit")
    ] = None
    requests_per_second: RequestsPerSecond = 1.0
    jitter_s: float = 0.5
    tries: int = 3
    retry_wait_s: float = 5.0
    response_timeout_s: float = 60.0
    media_timeout_s: float = 3600.0
    proxy: Annotated[SecretStr | None, Field(description="address of an HTTP or SOCKS proxy for all requests")] = None
    cookies: Annotated[ExistingFile | None, Field(description="file of cookies in Netscape format, for yt-dlp")] = None
    yt_dlp: Mapping[str, Any] = field(default_factory=dict)

    @property
    def media_quota_bytes(self) -> int | None:
        """Bytes that all video files may take; None: no limit."""
        return None if self.media_quota_gb is None else round(self.media_quota_gb * 1e9)

    @property
    def key(self) -> str | None:
        """The key of the Data API in plain text."""
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def proxy_address(self) -> str | None:
        """The address of the proxy in plain text."""
        return self.proxy.get_secret_value() if self.proxy else None

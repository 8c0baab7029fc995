"""yt-dlp at a set rate and with a time limit per response."""

from __future__ import annotations

import logging
from typing import Any

import urllib3
from yt_dlp import YoutubeDL
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import HTTPError, TransportError

from assets.sources.http import RateLimiter, TimedBody
from assets.sources.youtube.options import YouTubeOptions

_log = logging.getLogger(__name__)


class _Log:
    """Messages of yt-dlp, for the log; warnings are kept, because its errors leave out their content."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        _log.debug(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)
        _log.debug(message)

    error = debug  # it is raised as well


class PoliteYoutubeDL(YoutubeDL):
    """A ``YoutubeDL`` that keeps the rate and the time limit (None: the reader of a body limits it).

    Since ``begin``: ``refused`` is the last HTTP error, ``broken`` the last connection without an answer, ``warnings``
    are all warnings. yt-dlp's own error often names neither.
    """

    def __init__(self, params: dict[str, Any], limiter: RateLimiter, seconds: float | None) -> None:
        self.limiter = limiter
        self.seconds = seconds
        self.refused: HTTPError | None = None
        self.broken: TransportError | None = None
        self._messages = _Log()
        super().__init__({**params, "logger": self._messages})

    @property
    def warnings(self) -> list[str]:
        return self._messages.warnings

    def begin(self) -> None:
        """Forget errors and warnings of earlier requests."""
        self.refused = self.broken = None
        self._messages.warnings.clear()

    def urlopen(self, req: Any) -> Response:
        """One request, after its wait."""
        self.limiter.wait()
        try:
            response = super().urlopen(req)
        except HTTPError as error:
            self.refused, self.broken = error, None
            raise
        except TransportError as error:
            self.broken = error
            raise
        if self.seconds is not None and isinstance(response.fp, urllib3.BaseHTTPResponse):
            response.fp = TimedBody(response.fp, self.seconds)
        return response


def ydl_params(options: YouTubeOptions) -> dict[str, Any]:
    """Options of yt-dlp that every request shares."""
    return {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "cachedir": False,
        # Retries are decided in one place, for both libraries.
        "retries": 0,
        "extractor_retries": 0,
        "socket_timeout": options.response_timeout_s,
        "proxy": options.proxy_address,
        "cookiefile": str(options.cookies) if options.cookies else None,
        **options.yt_dlp,
    }

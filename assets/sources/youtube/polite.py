"""HTTP as both client libraries do it, but at a set rate and with an end.

Belongs here: what is true of every request: the rate, the proxy, and that an answer comes whole within its time or not
at all. Does not belong here: what is asked for.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import Any

import requests
import urllib3
from yt_dlp import YoutubeDL
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import HTTPError

from assets.sources.youtube.options import YouTubeOptions

_CHUNK = 1 << 16
_log = logging.getLogger(__name__)


class RateLimiter:
    """At most ``requests_per_second`` starts a second over all threads, each with up to ``jitter_s`` seconds more."""

    def __init__(self, requests_per_second: float, jitter_s: float) -> None:
        self.interval_s = 1 / requests_per_second
        self.jitter_s = jitter_s
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until it is this caller's turn."""
        with self._lock:
            start = max(self._next, time.monotonic()) + random.uniform(0, self.jitter_s)
            self._next = start + self.interval_s
        time.sleep(max(0.0, start - time.monotonic()))


class TimedBody:
    """The body of an answer, which must be whole ``seconds`` after its head.

    The time limit of a socket starts anew with every byte, so that a body which drips never runs into it.
    """

    def __init__(self, body: urllib3.BaseHTTPResponse, seconds: float) -> None:
        self._body = body
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def read(self, amt: int | None = None, decode_content: bool = True) -> bytes:
        """Up to ``amt`` bytes (None: all).

        Raises:
            urllib3.exceptions.ReadTimeoutError: the time is over.
        """
        parts: list[bytes] = []
        left = amt
        while left is None or left > 0:
            # read1 gives what has come so far; read would wait for all of it.
            part = self._body.read1(_CHUNK if left is None else min(left, _CHUNK), decode_content=decode_content)
            if not part:
                break
            if time.monotonic() > self._deadline:
                raise urllib3.exceptions.ReadTimeoutError(
                    None,  # type: ignore[arg-type]
                    self._body.url or "",
                    f"the answer was not whole after {self._seconds:g} s",
                )
            parts.append(part)
            left = None if left is None else left - len(part)
        return b"".join(parts)

    def stream(self, amt: int = _CHUNK, decode_content: bool = True) -> Any:
        """All bytes in parts."""
        while part := self.read(amt, decode_content):
            yield part


class PoliteSession(requests.Session):
    """A session of ``requests`` that keeps the rate and the time limit. The set proxy wins over the environment's."""

    def __init__(self, options: YouTubeOptions, limiter: RateLimiter) -> None:
        super().__init__()
        self.limiter = limiter
        self.seconds = options.response_timeout_s
        self.own_proxies = dict.fromkeys(("http", "https"), options.proxy_address) if options.proxy else {}

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """One request, after its wait; the body is read within the time limit."""
        self.limiter.wait()
        kwargs.update(stream=True, timeout=self.seconds)
        if self.own_proxies:
            kwargs["proxies"] = self.own_proxies
        response = super().send(request, **kwargs)
        response.raw = TimedBody(response.raw, self.seconds)
        response.content  # noqa: B018 - reads the body now, so that an error comes from here
        return response


class _Log:
    """What yt-dlp says, for the log; warnings are kept, for its errors leave out what they tell."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        _log.debug(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)
        _log.debug(message)

    error = debug  # it is raised as well


class PoliteYoutubeDL(YoutubeDL):
    """A ``YoutubeDL`` that keeps the rate and the time limit (None: the body is left to its reader).

    ``refused`` is the last HTTP error and ``warnings`` is all that was said since ``begin``.
    """

    def __init__(self, params: dict[str, Any], limiter: RateLimiter, seconds: float | None) -> None:
        self.limiter = limiter
        self.seconds = seconds
        self.refused: HTTPError | None = None
        self._said = _Log()
        super().__init__({**params, "logger": self._said})

    @property
    def warnings(self) -> list[str]:
        return self._said.warnings

    def begin(self) -> None:
        """Forget what was remembered of the thing before."""
        self.refused = None
        self._said.warnings.clear()

    def urlopen(self, req: Any) -> Response:
        """One request, after its wait."""
        self.limiter.wait()
        try:
            response = super().urlopen(req)
        except HTTPError as error:
            self.refused = error
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
        # Trying again is decided in one place, for both libraries.
        "retries": 0,
        "extractor_retries": 0,
        "socket_timeout": options.response_timeout_s,
        "proxy": options.proxy_address,
        "cookiefile": str(options.cookies) if options.cookies else None,
        **options.yt_dlp,
    }

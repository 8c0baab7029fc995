"""HTTP requests at a set rate, whose responses are complete within a time limit or fail."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import requests
import urllib3

_CHUNK = 1 << 16


class RateLimiter:
    """At most ``requests_per_second`` requests start per second over all threads.

    Each is delayed by up to ``jitter_s`` seconds more.
    """

    def __init__(self, requests_per_second: float, jitter_s: float) -> None:
        self.interval_s = 1 / requests_per_second
        self.jitter_s = jitter_s
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until this caller may send its request."""
        with self._lock:
            start = max(self._next, time.monotonic()) + random.uniform(0, self.jitter_s)
            self._next = start + self.interval_s
        time.sleep(max(0.0, start - time.monotonic()))


class TimedBody:
    """The body of a response, which must be complete ``seconds`` after its head.

    The time limit of a socket restarts with every byte, so that a slow body never reaches it.
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
            urllib3.exceptions.ReadTimeoutError: the time limit is reached.
        """
        parts: list[bytes] = []
        left = amt
        while left is None or left > 0:
            # read1 returns what has arrived so far; read would wait for all of it.
            part = self._body.read1(_CHUNK if left is None else min(left, _CHUNK), decode_content=decode_content)
            if not part:
                break
            if time.monotonic() > self._deadline:
                raise urllib3.exceptions.ReadTimeoutError(
                    None,  # type: ignore[arg-type]
                    self._body.url or "",
                    f"the response was not complete after {self._seconds:g} s",
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

    def __init__(self, limiter: RateLimiter, seconds: float, proxy: str | None = None) -> None:
        super().__init__()
        self.limiter = limiter
        self.seconds = seconds
        self.own_proxies = {"http": proxy, "https": proxy} if proxy else {}

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

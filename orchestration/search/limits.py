"""Limits the requests of each client. See `app` for the responses."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class TokenBuckets:
    """One bucket of tokens per client: each request takes a token, and ``rate`` tokens per second are added.

    Args:
        rate: requests per second that a client may send.
        burst: requests that it may send at once.
        clients: number of buckets; the one that was not used for longest is removed first.
        clock: monotonic seconds.
    """

    def __init__(
        self, rate: float, burst: int, clients: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self.clients, self.clock = rate, burst, clients, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, client: str) -> int:
        """0 if the client may send a request now, and a token is taken; else whole seconds until it may."""
        with self._lock:
            now = self.clock()
            tokens, seen = self._buckets.pop(client, (float(self.burst), now))
            tokens = min(self.burst, tokens + (now - seen) * self.rate)
            allowed = tokens >= 1
            self._buckets[client] = (tokens - allowed, now)
            if len(self._buckets) > self.clients:
                self._buckets.popitem(last=False)
            return 0 if allowed else math.ceil((1 - tokens) / self.rate)

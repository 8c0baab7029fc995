"""How often a client may ask. Belongs here: counting alone; what an answer looks like is ``app``."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class TokenBuckets:
    """A bucket of tokens a client: each question takes one, and ``rate`` of them come back a second.

    Args:
        rate: questions a second that a client may go on asking.
        burst: questions that it may ask at once.
        clients: clients that are remembered; the one not seen for longest is forgotten first.
        clock: seconds, always rising.
    """

    def __init__(
        self, rate: float, burst: int, clients: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self.clients, self.clock = rate, burst, clients, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, client: str) -> int:
        """0 if the client may ask now, and a token is taken; else whole seconds until it may."""
        with self._lock:
            now = self.clock()
            tokens, seen = self._buckets.pop(client, (float(self.burst), now))
            tokens = min(self.burst, tokens + (now - seen) * self.rate)
            allowed = tokens >= 1
            self._buckets[client] = (tokens - allowed, now)
            if len(self._buckets) > self.clients:
                self._buckets.popitem(last=False)
            return 0 if allowed else math.ceil((1 - tokens) / self.rate)

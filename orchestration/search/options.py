"""Limits of the search page and their defaults."""

from __future__ import annotations

from dataclasses import dataclass

QUERY_LENGTH = 200
"""Highest number of characters of a query."""
MOST_MOMENTS = 50
"""Highest number of moments per response."""


@dataclass(frozen=True)
class SearchOptions:
    """Size and rate of responses.

    Args:
        moments: moments of a response if the request has no limit.
        rate: requests per second and client; burst: requests at once.
        hosts: allowed names in the Host header, against DNS rebinding.
        writable: whether labels may be written: only where no other machine reaches the server.
    """

    moments: int = 12
    rate: float = 5.0
    burst: int = 20
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    writable: bool = True

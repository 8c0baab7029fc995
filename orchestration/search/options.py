"""What the search page allows. Belongs here: limits and their defaults."""

from __future__ import annotations

from dataclasses import dataclass

QUERY_LENGTH = 200
"""Most characters of a text that is searched for."""
MOST_MOMENTS = 50
"""Most moments of one answer."""


@dataclass(frozen=True)
class SearchOptions:
    """How much is answered.

    Args:
        moments: moments of an answer that asks for no number.
        rate: questions a second that a client may go on asking; burst: how many at once.
        hosts: names in the Host header that are answered, against pages elsewhere that point a name of theirs here.
    """

    moments: int = 12
    rate: float = 5.0
    burst: int = 20
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")

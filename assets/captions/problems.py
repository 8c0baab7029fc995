"""A one-line summary of the cues of a track that cannot be used."""

from __future__ import annotations

from assets.captions.cues import Captions


def set_aside(read: Captions) -> str | None:
    """How many cues cannot be used, and what is wrong with the first; None if all can."""
    if not read.problems:
        return None
    first = read.problems[0]
    return f"{len(read.problems)} cues set aside, as {first.name}: {first.problem}"

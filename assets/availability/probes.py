"""Probing a video: one request that says whether it can be watched here, and the state that the answer stands for.

YouTube is requested by its player: oEmbed, which is smaller, refuses videos that may not be embedded, and has answers
for some that are not played.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from assets.outcomes import Outcome, Problem
from assets.sources.journal import Journal
from assets.sources.protocol import Article, VideoSource
from assets.sources.youtube.options import YouTubeOptions

AVAILABLE, UNANSWERED = "available", "unanswered"
STATES = (AVAILABLE, "removed", "private", "age_restricted", "region_blocked", UNANSWERED)

_REASONS = (
    ("private", re.compile(r"\bprivate\b", re.IGNORECASE)),
    ("region_blocked", re.compile(r"\b(?:in|from) your (?:country|location|region)\b", re.IGNORECASE)),
)


class Prober(Protocol):
    """Answers whether videos can be watched."""

    def probe(self, survey: str, video_id: str) -> Outcome:
        """The outcome for a video. Within one survey, by its name, an answer is requested once."""
        ...


class SourceProber:
    """Probes videos of a source that is on this machine."""

    def __init__(self, source: VideoSource) -> None:
        self.source = source

    def probe(self, survey: str, video_id: str) -> Outcome:
        """Whether the source has the video now."""
        about = self.source.metadata(video_id)
        status = about.status if about.status == "ok" else "unavailable"
        return Outcome(status, error=None if status == "ok" else about.error, fetched_at=datetime.now(UTC))


class YouTubeProber:
    """Probes YouTube at the set rate; every answer is stored in ``journal`` when it arrives."""

    def __init__(self, journal: Path, options: YouTubeOptions) -> None:
        # Takes half a second to import, so not when the definitions load.
        from assets.sources.youtube.source import YouTubeSource

        self.source = YouTubeSource(NoArticles(), Journal(journal), options)

    def probe(self, survey: str, video_id: str) -> Outcome:
        """The outcome of one request to the player."""
        return self.source.probe(survey, video_id)


class NoArticles:
    """A source of no tasks, for requests that need none."""

    name = "none"

    def version(self) -> str:
        return "0"

    def articles(self) -> Iterator[Article]:
        return iter(())

    def problems(self) -> list[Problem]:
        return []


def state_of(outcome: Outcome) -> str:
    """One of ``STATES``; ``unanswered`` if the answer does not concern the video."""
    if outcome.status == "ok":
        return AVAILABLE
    if outcome.status in ("blocked", "retry"):
        return UNANSWERED
    if outcome.status == "age_restricted":
        return "age_restricted"
    return next((state for state, pattern in _REASONS if pattern.search(outcome.error or "")), "removed")

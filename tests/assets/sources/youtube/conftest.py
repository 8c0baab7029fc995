"""What the tests of YouTube share: a site on the loopback interface, and nothing else in reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.sources.http import RateLimiter
from assets.sources.journal import Journal
from assets.sources.youtube import YouTubeOptions, YouTubeSource
from tests.youtube_collection import NoArticles, options_for
from tests.youtube_server import Served, YouTube, only_loopback, serving


class Clock:
    """A clock that moves only when it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **how_far: float) -> None:
        self.now += timedelta(**how_far)


@pytest.fixture
def youtube() -> YouTube:
    return YouTube()


@pytest.fixture
def served(youtube: YouTube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(youtube, tmp_path / "certificates") as served, only_loopback():
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(served.ca))
        yield served


@pytest.fixture
def options(served: Served) -> YouTubeOptions:
    return options_for(served.proxy)


@pytest.fixture
def limiter() -> RateLimiter:
    return RateLimiter(1e6, 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(options: YouTubeOptions, tmp_path: Path, clock: Clock) -> Callable[..., YouTubeSource]:
    """A source as a new run would make it, with other options where they are given."""

    def make(**changes: object) -> YouTubeSource:
        journal = Journal(tmp_path / "collection_state" / "youtube.sqlite", clock=clock)
        return YouTubeSource(NoArticles(), journal, replace(options, **changes))  # type: ignore[arg-type]

    return make

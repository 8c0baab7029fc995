"""The rate of requests, by a clock that sleeping moves."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from assets.sources import http
from assets.sources.youtube import YouTubeOptions
from assets.sources.youtube.captions import TranscriptApiCaptions
from assets.sources.youtube.player import Player
from tests.youtube_server import YouTube


class Time:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(http, "time", clock)
    return clock


def test_requests_keep_their_distance(time: Time) -> None:
    limiter = http.RateLimiter(requests_per_second=2, jitter_s=0)
    starts = []
    for busy_s in (0, 0, 3, 0):
        time.now += busy_s
        limiter.wait()
        starts.append(time.now)
    assert starts == [100.0, 100.5, 104.0 - 0.5, 104.0]


def test_jitter_is_added_to_the_distance(time: Time) -> None:
    random.seed(0)
    limiter = http.RateLimiter(requests_per_second=2, jitter_s=0.25)
    starts = []
    for _ in range(100):
        limiter.wait()
        starts.append(time.now)
    gaps = [after - before for before, after in pairwise(starts)]
    assert 0.5 <= min(gaps) < 0.55 and 0.7 < max(gaps) <= 0.75


def test_both_libraries_wait_before_every_request(options: YouTubeOptions, youtube: YouTube) -> None:
    class Counting(http.RateLimiter):
        waits = 0

        def wait(self) -> None:
            self.waits += 1

    limiter = Counting(1, 0)
    Player(options, limiter).info("folding0001")
    TranscriptApiCaptions(options, limiter).fetch("folding0001")
    assert limiter.waits == len(youtube.log) == 4

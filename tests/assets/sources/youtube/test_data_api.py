"""Searching by key, with Google's own client and the description of the API in its package."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from assets.outcomes import FetchError, SourceError
from assets.sources.http import RateLimiter
from assets.sources.youtube import YouTubeOptions
from assets.sources.youtube.data_api import DataApiSearch, _until_midnight
from assets.sources.youtube.search import read_results
from tests.youtube_server import Fault, Video, YouTube, video_id_of


@pytest.fixture
def by_key(options: YouTubeOptions, limiter: RateLimiter) -> DataApiSearch:
    return DataApiSearch(replace(options, api_key=SecretStr("key")), limiter)


def test_results_come_with_lengths_and_views(by_key: DataApiSearch, youtube: YouTube) -> None:
    youtube.videos[video_id_of("how to fold", 60)] = Video("Crane & paper", 75, 1_234_567)
    results = read_results(by_key.search("how to fold", 120), None)
    assert [result.video_id for result in results] == [video_id_of("how to fold", rank) for rank in range(120)]
    shown = results[60]
    assert (shown.title, shown.channel, shown.duration_s, shown.view_count) == (
        "Crane & paper",
        "Paper School",
        75,
        1_234_567,
    )
    assert [request.detail for request in youtube.log if request.detail.startswith("search")] == [
        "search ",
        "search 50",
        "search 100",
    ]
    assert len(youtube.log) == 6


@pytest.mark.parametrize(
    ("fault", "status"),
    [("quota", "blocked"), ("503", "retry"), ("429", "retry"), ("malformed", "retry"), ("reset", "retry")],
)
def test_each_fault_has_its_state(by_key: DataApiSearch, youtube: YouTube, fault: Fault, status: str) -> None:
    youtube.fail("data_api", "*", fault)
    with pytest.raises(FetchError) as caught:
        by_key.search("how to fold", 50)
    assert caught.value.outcome.status == status


def test_a_key_that_does_not_work_is_the_users_matter(by_key: DataApiSearch, youtube: YouTube) -> None:
    youtube.fail("data_api", "*", "bad_key")
    with pytest.raises(SourceError, match=r"API key not valid.*check HOWTO_YOUTUBE_API_KEY") as caught:
        by_key.search("how to fold", 50)
    assert not isinstance(caught.value, FetchError)
    with pytest.raises(SourceError, match="set HOWTO_YOUTUBE_API_KEY"):
        DataApiSearch(YouTubeOptions(search="data-api"), RateLimiter(1, 0))


def test_the_quota_comes_back_at_midnight_pacific_time() -> None:
    assert _until_midnight(datetime(2026, 7, 1, 6, 0, tzinfo=UTC)) == timedelta(hours=1)
    assert _until_midnight(datetime(2026, 3, 8, 9, 0, tzinfo=UTC)) == timedelta(hours=22), "the day summer time begins"

"""Every way in which the site refuses or breaks, through both real libraries, and the state that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from assets.outcomes import FetchError
from assets.sources.http import RateLimiter
from assets.sources.youtube import YouTubeOptions
from assets.sources.youtube.captions import TranscriptApiCaptions, YtDlpCaptions
from assets.sources.youtube.player import Player
from assets.sources.youtube.search import FlatSearch
from tests.youtube_server import Fault, Kind, Request, Track, Video, YouTube

VIDEO = "folding0001"
Ask = Callable[[str], object]


def asking(client: str, options: YouTubeOptions, limiter: RateLimiter) -> Callable[[], object]:
    """What asks one client about the video; the same client each time."""
    if client == "search":
        search = FlatSearch(options, limiter)
        return lambda: search.search("how to fold", 100)
    if client == "transcript captions":
        transcripts = TranscriptApiCaptions(options, limiter)
        return lambda: transcripts.fetch(VIDEO)
    player = Player(options, limiter)
    captions = YtDlpCaptions(player)
    return lambda: player.info(VIDEO) if client == "player" else captions.fetch(VIDEO)


@pytest.fixture
def ask(options: YouTubeOptions, limiter: RateLimiter) -> Ask:
    return lambda client: asking(client, options, limiter)()


TRANSPORT: tuple[tuple[Fault, str], ...] = (
    ("429", "blocked"),
    ("503", "retry"),
    ("403", "retry"),
    ("reset", "retry"),
    ("drip", "retry"),
    ("cut", "retry"),
    ("malformed", "retry"),
    ("empty", "retry"),
)
PLAYABILITY: tuple[tuple[Fault, str], ...] = (
    ("bot", "blocked"),
    ("age", "age_restricted"),
    ("removed", "unavailable"),
    ("private", "unavailable"),
    ("premiere", "retry"),
)
CASES: list[tuple[str, Kind, Fault, str]] = [
    *(("search", "search", fault, status) for fault, status in TRANSPORT),
    *(("player", "player", fault, status) for fault, status in TRANSPORT + PLAYABILITY),
    *(("yt-dlp captions", "timedtext", fault, status) for fault, status in TRANSPORT if fault != "malformed"),
    ("yt-dlp captions", "player", "disabled", "disabled"),
    ("transcript captions", "watch", "429", "blocked"),
    ("transcript captions", "watch", "reset", "retry"),
    ("transcript captions", "watch", "recaptcha", "blocked"),
    ("transcript captions", "watch", "endless_consent", "retry"),
    ("transcript captions", "player", "malformed", "retry"),
    *(("transcript captions", "player", fault, status) for fault, status in PLAYABILITY),
    ("transcript captions", "player", "disabled", "disabled"),
    *(("transcript captions", "timedtext", fault, status) for fault, status in TRANSPORT),
]


@pytest.mark.parametrize(("client", "kind", "fault", "status"), CASES)
def test_each_fault_has_its_state(
    options: YouTubeOptions,
    limiter: RateLimiter,
    youtube: YouTube,
    client: str,
    kind: Kind,
    fault: Fault,
    status: str,
) -> None:
    ask = asking(client, replace(options, response_timeout_s=0.5) if fault == "drip" else options, limiter)
    youtube.fail(kind, "*", fault)
    with pytest.raises(FetchError) as caught:
        ask()
    assert caught.value.outcome.status == status
    assert caught.value.outcome.error, "says why"
    if status in ("retry", "blocked"):
        youtube.fail(kind, "*", fault, times=0)
        assert ask(), "the client works on when the fault is over"


@pytest.mark.parametrize("fault", ["503", "malformed", "empty", "cut", "reset"])
def test_a_page_that_fails_never_passes_for_the_last_one(ask: Ask, youtube: YouTube, fault: Fault) -> None:
    def fail_third_page(request: Request) -> None:
        if request.detail.startswith("2 "):
            youtube.fail("search", "*", fault, times=1)

    youtube.on_request = fail_third_page
    with pytest.raises(FetchError) as caught:
        ask("search")
    assert caught.value.outcome.status == "retry"


def test_a_page_without_results_is_incomplete(ask: Ask, youtube: YouTube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.youtube_server.search_page", lambda *_: b'{"responseContext": {}}')
    with pytest.raises(FetchError, match="Incomplete data"):
        ask("search")


def test_the_site_says_how_long_to_wait(ask: Ask, youtube: YouTube) -> None:
    youtube.fail("search", "*", "429")
    with pytest.raises(FetchError, match=r"HTTP 429.*HOWTO_PROXY") as caught:
        ask("search")
    assert caught.value.wait == timedelta(hours=2)


@pytest.mark.parametrize("client", ["yt-dlp captions", "transcript captions"])
def test_a_refused_machine_translation_is_no_block(ask: Ask, youtube: YouTube, client: str) -> None:
    youtube.videos[VIDEO] = Video(tracks=(Track("de"),))
    youtube.fail("timedtext", VIDEO, "429")
    with pytest.raises(FetchError, match="machine translation") as caught:
        ask(client)
    assert caught.value.outcome.status == "retry"


def test_an_answer_about_another_video_is_a_block(ask: Ask, youtube: YouTube, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import youtube_server

    other = youtube_server.player("folding0002", Video())
    monkeypatch.setattr("tests.youtube_server.player", lambda *_: other)
    with pytest.raises(FetchError, match="IP is likely being blocked") as caught:
        ask("player")
    assert caught.value.outcome.status == "blocked"


@pytest.mark.parametrize("client", ["yt-dlp captions", "transcript captions"])
def test_tracks_for_the_authorised_are_waited_for(ask: Ask, youtube: YouTube, client: str) -> None:
    youtube.videos[VIDEO] = Video(tracks=(Track("de"), Track("en", recognised=False, authorised_only=True)))
    with pytest.raises(FetchError) as caught:
        ask(client)
    assert caught.value.outcome.status == "retry", "neither a translation instead, nor no captions for good"
    assert not youtube.counts()["timedtext"]


def test_a_recognised_track_stands_in_for_one_of_the_authorised(ask: Ask, youtube: YouTube) -> None:
    youtube.videos[VIDEO] = Video(tracks=(Track("en", recognised=False, authorised_only=True), Track("en")))
    body = ask("transcript captions")
    assert isinstance(body, bytes) and b'"source": "asr"' in body

"""From a search to a file with the real client libraries, request by request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from assets.captions.fetch import fetch_captions
from assets.media.files import fetch_files
from assets.outcomes import SourceError, due, stop_if_blocked
from assets.sources.youtube import YouTubeSource
from assets.sources.youtube.errors import ADVICE
from assets.sources.youtube.search import WITH_SUBTITLES
from assets.videos.metadata import fetch_metadata
from assets.videos.search import search_tasks
from tests.assets.sources.youtube.conftest import Clock
from tests.youtube_collection import tasks
from tests.youtube_server import Track, Video, YouTube, video_id_of

MakeSource = Callable[..., YouTubeSource]
DAY, CHANNEL = date(2018, 8, 2), "UCVYamHliCI9rw1tHR1xbkfw"
"""Those of the recorded answers."""
GERMAN = ((0.0, 2.0, "wir falten die Ecke"),)


def test_two_hundred_results_take_ten_requests(source: MakeSource, youtube: YouTube) -> None:
    youtube.videos[video_id_of("how to fold a crane", 7)] = Video("Crane & paper", 75, 1_234_567)
    youtube.videos[video_id_of("how to fold a crane", 8)] = Video(listed=False)
    results, searches = search_tasks(source(), tasks("Fold a Crane"), 200)
    assert youtube.counts() == {"search": 10}
    assert youtube.log[0].detail == f"0 {WITH_SUBTITLES}"
    shown = results.select("rank", "title", "channel", "duration_s", "view_count").rows()
    assert shown[7] == (8, "Crane & paper", "Paper School", 75.0, 1_234_567)
    assert shown[8][3:] == (None, None), "unknown, not zero"
    assert searches.select("status", "results").rows() == [("ok", 200)]


def test_a_search_without_the_filter_uses_the_search_key(source: MakeSource, youtube: YouTube) -> None:
    assert len(source(subtitles_only=False).search("how to fold a crane", 30)) == 30
    assert youtube.counts() == {"search": 2}
    assert youtube.log[0].detail == "0 EgIQAfABAQ=="


def test_fewer_results_than_wanted_are_all_there_are(source: MakeSource, youtube: YouTube) -> None:
    youtube.results["how to fold a quark"] = ["quark000001", "quark000002"]
    youtube.results["how to fold nothing"] = []
    results, searches = search_tasks(source(), tasks("Fold a Quark", "Fold Nothing"), 200)
    assert results["video_id"].to_list() == ["quark000001", "quark000002"]
    assert searches.select("status", "results").rows() == [("ok", 2), ("ok", 0)]


def test_one_metadata_request_a_candidate(source: MakeSource, youtube: YouTube) -> None:
    youtube.videos["folding0001"] = Video("Fold", 61, 7, (Track("de"), Track("fr", recognised=False)))
    about = fetch_metadata(source(), ["folding0001", "folding0002"], "shard-0000")
    assert youtube.counts() == {"player": 2}
    assert about.select("title", "duration_s", "view_count", "language", "manual_captions", "asr_captions").row(0) == (
        "Fold",
        61.0,
        7,
        "de",
        ["fr"],
        ["de"],
    )


def test_the_watch_page_has_the_licence_and_the_day_of_upload(source: MakeSource, youtube: YouTube) -> None:
    youtube.videos["folding0001"] = Video(license="Creative Commons Attribution license (reuse allowed)")
    videos, columns = ["folding0001", "folding0002"], ("license", "upload_date", "channel_id")
    plain = fetch_metadata(source(), videos, "shard-0000").select(columns)
    assert plain.rows() == [(None, None, CHANNEL)] * 2, "unknown, not made up"
    with_page = source(watch_page=True)
    about = fetch_metadata(with_page, videos, "shard-0000").select(columns)
    assert about.rows() == [("cc-by", DAY, CHANNEL), (None, DAY, CHANNEL)]
    assert youtube.counts() == {"player": 4, "watch": 2}
    assert with_page.version() != source().version()


@pytest.mark.parametrize("client", ["youtube-transcript-api", "yt-dlp"])
@pytest.mark.parametrize(
    ("tracks", "source_of_track", "first_line"),
    [
        ((Track(), Track("en-GB", recognised=False, lines=((0.0, 1.0, "Fold &amp; turn"),))), "manual", None),
        ((Track("de", recognised=False, lines=GERMAN), Track("en")), "asr", "so now we are going to fold"),
        ((Track("de", recognised=False, lines=GERMAN),), "translated", "[en] wir falten die Ecke"),
        ((Track("de", lines=GERMAN),), "translated", "[en] wir falten die Ecke"),
    ],
)
def test_the_best_track_wins(
    source: MakeSource,
    youtube: YouTube,
    client: str,
    tracks: tuple[Track, ...],
    source_of_track: str,
    first_line: str | None,
) -> None:
    youtube.videos["folding0001"] = Video(tracks=tracks)
    track = source(caption_clients=(client,)).captions("folding0001")
    assert (track.status, track.source) == ("ok", source_of_track)
    assert track.language == ("en-GB" if source_of_track == "manual" else "en")
    assert first_line is None or track.lines[0].text == first_line
    assert youtube.counts()["timedtext"] == 1


def test_what_each_library_costs(source: MakeSource, youtube: YouTube) -> None:
    source(caption_clients=("youtube-transcript-api", "yt-dlp")).captions("folding0001")
    source(caption_clients=("yt-dlp", "youtube-transcript-api")).captions("folding0002")
    assert youtube.counts("folding0001") == {"player": 2, "watch": 1, "timedtext": 1}
    assert youtube.counts("folding0002") == {"player": 1, "timedtext": 1}


def test_both_libraries_read_the_same_lines(source: MakeSource) -> None:
    lines = [
        [(line.start_s, line.end_s, line.text) for line in source(caption_clients=(client,)).captions(video_id).lines]
        for client, video_id in (("youtube-transcript-api", "folding0001"), ("yt-dlp", "folding0002"))
    ]
    assert lines[0] == lines[1]
    assert lines[0][1] == (3.4, 7.6, "the corner of the paper")


def test_the_second_library_is_used_where_the_first_one_fails(source: MakeSource, youtube: YouTube) -> None:
    youtube.fail("watch", "*", "503")
    track = source().captions("folding0001")
    assert (track.status, track.source, len(track.lines)) == ("ok", "asr", 3)
    assert youtube.counts() == {"player": 1, "watch": 1, "timedtext": 1}


def test_consent_is_given_once(source: MakeSource, youtube: YouTube) -> None:
    youtube.fail("watch", "*", "consent")
    each = source()
    assert [each.captions(video_id).status for video_id in ("folding0001", "folding0002")] == ["ok", "ok"]
    assert youtube.counts()["watch"] == 3


def test_a_refusal_of_all_requests_stops_the_run_and_keeps_what_is_there(
    source: MakeSource, youtube: YouTube, clock: Clock, tmp_path: Path
) -> None:
    youtube.fail("watch", "folding0002", "429")
    videos = [f"folding000{i}" for i in range(1, 6)]
    lines, fetches = fetch_captions(source(), videos, "shard-0000")
    assert fetches["status"].to_list() == ["ok", *["blocked"] * 4]
    assert fetches["attempts"].to_list() == [1, 1, 0, 0, 0]
    assert lines["video_id"].unique().to_list() == ["folding0001"]
    assert not any(youtube.counts(video_id) for video_id in videos[2:])
    with pytest.raises(SourceError, match="4 of 5 requests without an answer, repeated from 2026-05-04 13:00 UTC"):
        stop_if_blocked(fetches)
    assert ADVICE in fetches["error"][1] and ADVICE in fetches["error"][4]

    requests = len(youtube.log)
    fetch_files(source(), videos, "shard-0000", tmp_path)
    assert len(youtube.log) == requests, "another run and another stage keep the pause, too"

    clock.move(hours=1)
    assert due(fetches.lazy(), clock.now).collect().height == 4
    youtube.fail("watch", "folding0002", "429", times=0)
    _, fetches = fetch_captions(source(), videos, "shard-0000")
    assert fetches.select("status", "attempts").rows() == [("ok", 1), ("ok", 2), *[("ok", 1)] * 3]
    assert fetches["next_try_at"].null_count() == 5
    stop_if_blocked(fetches)


def test_another_way_out_does_not_wait(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    youtube.fail("watch", "*", "recaptcha", times=1)
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n")
    assert source().captions("folding0001").status == "blocked"
    assert source().captions("folding0001").status == "blocked"
    assert youtube.counts()["watch"] == 1
    assert source(cookies=cookies).captions("folding0001").status == "ok"


def test_a_temporary_failure_is_retried_when_due(source: MakeSource, youtube: YouTube, clock: Clock) -> None:
    youtube.fail("timedtext", "folding0001", "empty")
    waits = []
    for attempt in (1, 2, 3):
        track = source(tries=2).captions("folding0001")
        assert (track.status, track.attempts) == ("retry", attempt)
        assert track.next_try_at is not None
        waits.append((track.next_try_at - clock.now).total_seconds() / 3600)
        requests = len(youtube.log)
        assert source().captions("folding0001") == track
        assert len(youtube.log) == requests, "not due yet"
        clock.now = track.next_try_at
    assert waits == [1, 2, 4]
    youtube.fail("timedtext", "folding0001", "empty", times=0)
    track = source().captions("folding0001")
    assert (track.status, track.attempts, track.next_try_at) == ("ok", 4, None)


def test_a_passing_fault_is_over_within_the_run(source: MakeSource, youtube: YouTube) -> None:
    youtube.fail("player", "folding0001", "503", times=2)
    assert source(tries=3).metadata("folding0001").status == "ok"
    assert youtube.counts() == {"player": 3}


def test_an_old_search_is_repeated_and_stays_if_that_fails(source: MakeSource, youtube: YouTube, clock: Clock) -> None:
    youtube.results["how to fold"] = ["folding0001"]
    before = source(search_max_age_days=7).search("how to fold", 20)
    youtube.results["how to fold"] = ["folding0002"]
    clock.move(days=8)
    youtube.fail("search", "*", "malformed", times=1)
    assert source(search_max_age_days=7).search("how to fold", 20) == before
    clock.move(hours=1)
    after = source(search_max_age_days=7).search("how to fold", 20)
    assert [found.video_id for found in after] == ["folding0002"]
    assert youtube.counts() == {"search": 3}


def test_versions_change_with_what_shapes_answers(source: MakeSource) -> None:
    assert source().version() == source(requests_per_second=3.0, proxy=None, tries=9).version()
    others = [source(media_height=720), source(subtitles_only=False), source(caption_clients=("yt-dlp",))]
    assert len({each.version() for each in [source(), *others]}) == 4


def test_a_video_that_is_gone_has_an_outcome_everywhere(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    youtube.fail("player", "folding0001", "removed")
    _, fetches = fetch_captions(source(), ["folding0001"], "shard-0000")
    about = fetch_metadata(source(), ["folding0001"], "shard-0000")
    files = fetch_files(source(), ["folding0001"], "shard-0000", tmp_path)
    outcomes = [frame.select("status", "error", "next_try_at").row(0) for frame in (fetches, about, files)]
    assert outcomes == [
        ("unavailable", "The video is no longer available", None),
        ("unavailable", "This video is unavailable", None),
        ("unavailable", "This video is unavailable", None),
    ]

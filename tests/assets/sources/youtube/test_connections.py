"""Refused players, missing connections and missing runtimes: what is tried next, and what a refresh reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.outcomes import SourceError
from assets.sources.article_files import ArticleFile
from assets.sources.journal import Journal
from assets.sources.youtube import YouTubeOptions, YouTubeSource
from assets.sources.youtube.javascript import missing_runtime
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from tests.assets.sources.youtube.conftest import Clock
from tests.world import small_settings
from tests.youtube_server import Fault, YouTube

MakeSource = Callable[..., YouTubeSource]
VIDEO = "folding0001"


@pytest.mark.parametrize("fault", ["bot", "removed", "403"])
def test_a_second_player_is_tried_where_the_first_is_refused(
    source: MakeSource, youtube: YouTube, fault: Fault
) -> None:
    youtube.fail("player", VIDEO, fault, times=1)
    assert source().metadata(VIDEO).status == "ok"
    assert youtube.counts() == {"player": 2}
    assert source(caption_clients=("yt-dlp",)).captions(VIDEO).status == "ok"


@pytest.mark.parametrize("fault", ["429", "503", "reset", "premiere"])
def test_no_second_player_is_tried_for_what_all_players_get(source: MakeSource, youtube: YouTube, fault: Fault) -> None:
    youtube.fail("player", VIDEO, fault, times=1)
    assert source().metadata(VIDEO).status != "ok"
    assert youtube.counts() == {"player": 1}


def test_a_file_is_fetched_as_the_second_player(source: MakeSource, youtube: YouTube, tmp_path: Path) -> None:
    youtube.fail("player", VIDEO, "removed", times=1)
    assert source().media(VIDEO, tmp_path).is_file()


def test_several_videos_in_a_row_without_a_connection_pause_all_requests(
    source: MakeSource, youtube: YouTube, clock: Clock
) -> None:
    youtube.fail("player", "*", "reset")
    each = source()
    read = [each.metadata(f"folding000{number}") for number in range(5)]
    assert [about.status for about in read] == ["retry", "retry", "blocked", "blocked", "blocked"]
    assert youtube.counts() == {"player": 3} and "Check the connection" in str(read[4].error)
    youtube.fail("player", "*", "reset", times=0)
    clock.move(minutes=6)
    assert source().metadata("folding0004").status == "ok"


def test_a_connection_in_between_is_no_missing_connection(source: MakeSource, youtube: YouTube) -> None:
    for number in (0, 1, 3, 4):
        youtube.fail("player", f"folding000{number}", "reset")
    each = source()
    found = [each.metadata(f"folding000{number}").status for number in range(5)]
    assert found == ["retry", "retry", "ok", "retry", "retry"]


def test_players_that_need_a_runtime_are_checked_before_work_starts(source: MakeSource, tmp_path: Path) -> None:
    assert missing_runtime(YouTubeOptions()) is None
    without = {"js_runtimes": {}}
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n")
    for changes in ({"players": ("visionos", "web")}, {"cookies": cookies}):
        assert missing_runtime(replace(YouTubeOptions(), **changes)) is None, "the extra youtube is installed"
        with pytest.raises(SourceError, match=r"HOWTO_(PLAYERS: web|COOKIES).* needs a JavaScript runtime.*youtube"):
            source(**changes, yt_dlp=without).version()


def test_a_stage_without_any_answer_fails_and_one_with_some_warns(
    options: YouTubeOptions, youtube: YouTube, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("Fold a Crane\nSew a Button\nPaint a Wall\n")
    own = {"articles": tmp_path / "tasks.txt", "categories": "Uncategorised", "tagger": "first_word"}
    settings = small_settings(tmp_path, source="youtube", **own)
    journal = Journal(tmp_path / "journal.sqlite", clock=clock)
    source = YouTubeSource(ArticleFile(tmp_path / "tasks.txt"), journal, options)
    definitions = build_defs(settings, {"source": source})
    lines: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:

        def refresh() -> Refresh:
            lines.clear()
            again = Refresh(definitions, instance, lines.append)
            again.run('+key:"search_results"')
            return again

        youtube.fail("search", "*", "503")
        first = refresh()
        (failed,) = first.failed.values()
        assert "no request was answered: 3 of 3 requests without an answer, repeated from" in failed and "503" in failed
        seen = len(youtube.log)
        assert list(refresh().failed.values()) == [failed] and len(youtube.log) == seen, "not due, and still reported"
        youtube.fail("search", "*", "503", times=0)
        youtube.fail("search", "how to sew a button", "503")
        clock.move(hours=2)
        partly = refresh()
        assert not partly.failed and len(partly.outstanding) == 1
        assert any(line.startswith("  WARNING") and "1 of 3 requests without an answer" in line for line in lines)


def test_the_first_refusal_is_reported_where_all_players_are_refused(source: MakeSource, youtube: YouTube) -> None:
    youtube.fail("player", VIDEO, "bot")
    assert source().metadata(VIDEO).status == "blocked"
    assert youtube.counts() == {"player": 2}

"""Surveys of videos on a site with planted removals; estimates whose intervals cover what was planted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.availability.estimates import half_life, link_rot, share
from assets.availability.figures import survival_figure
from assets.availability.lists import summary, survey_list
from assets.availability.options import AvailabilityOptions
from assets.availability.probes import SourceProber, YouTubeProber, state_of
from assets.availability.survey import draw, next_survey, probe_all
from assets.lake import Lake, load_tables
from assets.sources.synthetic import SyntheticSource
from assets.sources.youtube import YouTubeOptions
from orchestration.cli import main
from tests.youtube_server import Fault, YouTube, video_id_of

NOW = datetime.now(UTC)
FAULTS: dict[str, Fault] = {"removed": "removed", "private": "private", "age_restricted": "age"}
FAULTS |= {"region_blocked": "country", "unanswered": "503"}
IDS = [video_id_of("how to fold", rank) for rank in range(40)]


def plant(youtube: YouTube) -> dict[str, str]:
    """The state of each video: of ten, five are gone in one way each."""
    states = dict.fromkeys(IDS, "available")
    for first, (state, fault) in enumerate(FAULTS.items()):
        for video_id in IDS[first::10]:
            states[video_id] = state
            youtube.fail("player", video_id, fault)
    return states


def test_one_answer_gives_the_state_of_a_video(youtube: YouTube, options: YouTubeOptions, tmp_path: Path) -> None:
    states = plant(youtube)
    slow, prober = IDS[9], YouTubeProber(tmp_path / "journal.sqlite", replace(options, response_timeout_s=1.0))
    youtube.fail("player", slow, "drip")
    states[slow] = "unanswered"
    made = probe_all(prober, 1, IDS[:10])
    assert dict(made.select("video_id", "state").iter_rows()) == {each: states[each] for each in IDS[:10]}
    assert youtube.counts(IDS[6]) == {"player": 1}
    assert made.filter(state="private")["error"].item() == "This video is private"
    assert made.filter(state="unanswered")["next_try_at"].null_count() == 0
    sent = len(youtube.log)
    probe_all(prober, 1, IDS[:10])
    assert len(youtube.log) == sent, "a survey requests an answer once, and what failed when it is due"
    youtube.fail("player", IDS[6], "removed")
    assert probe_all(prober, 2, [IDS[6]])["state"].item() == "removed"


def test_a_survey_goes_on_while_probes_are_unanswered() -> None:
    table = load_tables()["availability"]

    def rows(survey: int, states: list[str], age: timedelta = timedelta()) -> pl.DataFrame:
        return table.frame((survey, f"v{n}", NOW - age, state, None, None) for n, state in enumerate(states))

    ids = [f"w{n}" for n in range(9)]
    assert next_survey(table.frame([]), ids, 3, 0) == (1, draw(ids, 3, 0, 1))
    assert next_survey(rows(1, ["removed", "unanswered"]), ids, 3, 0) == (1, ["v0", "v1"])
    assert next_survey(rows(1, ["removed", "available"]), ids, 3, 0) == (2, draw(ids, 3, 0, 2))
    assert next_survey(rows(1, ["unanswered"], timedelta(days=8)), ids, 0, 0) == (2, ids)
    assert draw(ids, 3, 0, 1) != draw(ids, 3, 0, 2)


def test_the_interval_covers_the_planted_share(youtube: YouTube, options: YouTubeOptions, tmp_path: Path) -> None:
    plant(youtube)
    answers = probe_all(YouTubeProber(tmp_path / "journal.sqlite", options), 1, IDS).filter(
        pl.col("state") != "unanswered"
    )
    alive = dict(answers.select("video_id", pl.col("state") == "available").iter_rows())
    truth = sum(alive.values()) / len(alive)
    assert truth == pytest.approx(20 / 36)
    covered = 0
    for seed in range(100):
        drawn = draw(alive, 20, seed, 1)
        found = share(sum(alive[each] for each in drawn), len(drawn), len(alive))
        assert found is not None
        covered += found.low <= truth <= found.high
    assert covered >= 90


def test_a_share_of_everything_has_no_doubt_and_one_of_nothing_no_value() -> None:
    assert share(3, 4, 4) == (0.75, 0.75, 0.75)
    assert share(0, 0, 4) is None
    low, high = share(50, 100, 10**9)[1:]  # type: ignore[index]
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4), "Wilson's interval without correction"


def test_the_half_life_covers_the_planted_one() -> None:
    planted, covered = 8.0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        years = rng.uniform(1, 6, 300)
        found = half_life(years, rng.exponential(planted / np.log(2), 300) > years)
        assert found is not None
        covered += found.low <= planted <= found.high
    assert covered >= 90
    one_time = half_life([3.0] * 4, [True, True, False, False])
    assert one_time is not None and one_time.value == pytest.approx(3)
    endless = half_life([3.0] * 4, [True] * 4)
    assert endless is not None and endless.value == np.inf and 0 < endless.low < np.inf
    assert half_life([0.0], [True]) is None and half_life([1.0], [False]) is None


def test_shares_are_given_by_category_age_and_state() -> None:
    videos = pl.DataFrame(
        {
            "video_id": ["a", "b", "c", "d"],
            "category_1": ["Food", "Food", "Home", "Home"],
            "upload_date": [NOW.date() - timedelta(days=days) for days in (100, 800, 810)] + [None],
            "known_at": [NOW - timedelta(days=365.25 * 2)] * 4,
        }
    )
    states = {"a": "available", "b": "removed", "c": "available", "d": "unanswered"}
    probes = load_tables()["availability"].frame((1, v, NOW, state, None, None) for v, state in states.items())
    made = link_rot(probes, videos)
    counts = {(row["grouping"], row["item"]): (row["available"], row["answered"]) for row in made.iter_rows(named=True)}
    assert counts == {
        ("all", "all videos"): (2, 3),
        ("category", "Food"): (1, 2),
        ("category", "Home"): (1, 1),
        ("age", "0 to 1 years"): (1, 1),
        ("age", "2 to 3 years"): (1, 2),
        ("age", "unknown"): (0, 0),
        ("state", "available"): (2, 2),
        ("state", "removed"): (1, 1),
    }
    overall = made.row(by_predicate=pl.col("grouping") == "all", named=True)
    assert overall["half_life_years"] == pytest.approx(2 * np.log(2) / np.log(3 / 2), rel=1e-6)
    assert overall["unanswered"] == 1
    by_age, by_category = survival_figure(made).axes
    assert by_age.lines[0].get_xydata().tolist() == [[0, 1], [2, 0.5]]
    assert [label.get_text() for label in by_category.get_yticklabels()] == ["Food", "Home"]


def test_a_published_list_needs_no_lake(youtube: YouTube, options: YouTubeOptions, tmp_path: Path) -> None:
    plant(youtube)
    rows = [f"{video_id},Hobbies and Crafts,Paper,1,7" for video_id in IDS[:10]]
    (tmp_path / "list.csv").write_text("\n".join(["video_id,category_1,category_2,rank,task_id", *rows]) + "\n")
    folder = tmp_path / "made"
    options_of_survey = AvailabilityOptions(sample=0, since=date(2019, 1, 1))
    prober = YouTubeProber(folder / "journal.sqlite", options)

    def survey() -> pl.DataFrame:
        return survey_list(tmp_path / "list.csv", folder, prober, options_of_survey, lambda total: lambda: None)

    first = survey().row(by_predicate=pl.col("grouping") == "category", named=True)
    assert (first["item"], first["available"], first["answered"]) == ("Hobbies and Crafts", 5, 9)
    assert first["half_life_years"] > 5
    for video_id in IDS[4:10:10]:
        youtube._faults.clear()
        prober.source.journal.forget("availability", f"1 {video_id}")
    assert survey().row(0, named=True)["available"] == 6, "the survey went on"
    made = survey()
    assert made["survey"].max() == 2 and made.filter(pl.col("survey") == 2).row(0, named=True)["available"] == 10
    assert "1.000" in summary(made)[0] and "half-life" not in summary(made)[-1]
    assert pl.read_csv(folder / "link_rot.csv").height == made.height


def test_videos_on_this_machine_are_there_or_removed() -> None:
    prober = SourceProber(SyntheticSource(tasks=2, videos_per_task=1))
    assert [state_of(prober.probe("1", video_id)) for video_id in ("synthetic-00000", "no such video")] == [
        "available",
        "removed",
    ]


def test_a_lake_is_surveyed_on_request_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_STATE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOWTO_LAKE", str(tmp_path / "lake"))
    lake = Lake(tmp_path / "lake")
    ids = ["synthetic-00000", "synthetic-00001", "gone"]
    known = {"task_id": "t", "rank": 1, "category_1": "Home", "title": "Fold", "source": "synthetic", "word_count": 9}
    fetched = {
        "shard": "shard-0000",
        "status": "ok",
        "word_count": 9,
        "attempts": 1,
        "fetched_at": NOW - timedelta(365),
    }
    for table, row, shard in (("videos", {**known, "kept": True}, None), ("caption_fetches", fetched, "shard-0000")):
        contract = load_tables()[table]
        rows = (tuple({**row, "video_id": each}.get(column.name) for column in contract.columns) for each in ids)
        lake.write(table, contract.frame(rows), shard)
    lake.close()
    assert main(["availability"]) == main(["availability", "--sample", "2"]) == 0
    assert "all  0.667 (0.667 to 0.667)" in capsys.readouterr().out
    found = lake.sql("SELECT survey, answered FROM link_rot WHERE grouping = 'all' ORDER BY survey").fetchall()
    assert found == [(1, 3), (2, 2)]

"""The runs of a refresh in the UI, in a real browser: the timeline, the runs with their tags, and the page of a job.

With SCREENS=folder the pictures are kept there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import build_defs
from orchestration.refresh import Refresh, refresh_lake
from orchestration.settings import Settings
from tests.browser import Browser
from tests.orchestration.test_screens import keep, served
from tests.world import instance_in, small_settings


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path, Refresh]:
    """A lake after a small refresh, and the folder of Dagster's records."""
    root = tmp_path_factory.mktemp("ui")
    settings, state = small_settings(root), root / "dagster"
    state.mkdir()
    (state / "dagster.yaml").write_text("nux: {enabled: false}\ntelemetry: {enabled: false}\n", encoding="utf-8")
    with instance_in(state) as instance:
        refresh = refresh_lake(build_defs(settings), instance, "+key:products", lambda _: None)
    return settings, state, refresh


@pytest.fixture(scope="module")
def address(refreshed: tuple[Settings, Path, Refresh]) -> Iterator[str]:
    with served(refreshed[:2], "dagster_webserver") as address:  # the code location of pyproject.toml
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.width(1440)
        yield opened


def text_of(browser: Browser) -> str:
    return str(browser.see("document.body.innerText"))


def test_the_timeline_is_not_empty(browser: Browser, address: str) -> None:
    browser.open(f"{address}/overview/activity/timeline")
    browser.until(lambda: "No runs" not in text_of(browser) and "howto_lake" in text_of(browser), seconds=60)
    keep(browser, "timeline")


def test_the_runs_show_what_they_made_and_who_launched_them(
    browser: Browser, address: str, refreshed: tuple[Settings, Path, Refresh]
) -> None:
    refresh = refreshed[2]
    browser.open(f"{address}/runs?q%5B0%5D=tag%3Ahowto%2Frefresh%3D{refresh.id}")
    browser.until(lambda: "retail_baskets" in text_of(browser) or "products" in text_of(browser), seconds=60)
    shown = text_of(browser)
    assert "howto refresh" in shown and refresh.id[:8] in shown
    keep(browser, "runs")


def test_a_run_can_be_started_again(browser: Browser, address: str, refreshed: tuple[Settings, Path, Refresh]) -> None:
    with instance_in(refreshed[1]) as instance:
        (run, *_) = instance.get_runs(dg.RunsFilter(tags={"howto/refresh": refreshed[2].id}))
    browser.open(f"{address}/runs/{run.run_id}")
    button = "[...document.querySelectorAll('button')].find(each => each.innerText.includes('Re-execute'))"
    browser.until(lambda: browser.see(f"Boolean({button}) && !{button}.disabled"), seconds=60)
    keep(browser, "run")


def test_the_page_of_a_job_names_its_assets(browser: Browser, address: str) -> None:
    browser.open(f"{address}/locations/howto_lake/jobs/collect")
    browser.until(lambda: "search_results" in text_of(browser) and "captions" in text_of(browser), seconds=60)
    assert "cluster_gcn" not in text_of(browser)
    keep(browser, "job")

"""The pages of the search in a real browser, and the command that serves them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import uvicorn

from orchestration.search.app import build_app
from orchestration.search.options import SearchOptions
from tests.browser import Browser
from tests.orchestration.search_world import VIDEOS, World


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def address(search_world: World) -> Iterator[str]:
    """The page on a real socket."""
    port = free_port()
    app = build_app(search_world.library(), [search_world.media], SearchOptions(rate=1000, burst=1000))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path) as opened:
        yield opened


def test_in_a_browser_by_keys_alone(browser: Browser, address: str) -> None:
    browser.do("Page.navigate", url=address)
    browser.until(lambda: browser.see("document.activeElement?.name === 'q'"))
    browser.do("Input.insertText", text="pour the batter")
    browser.press("Enter", "\r")
    browser.until(lambda: browser.see("document.querySelectorAll('.moment').length") == VIDEOS)
    assert browser.see("document.querySelectorAll('video').length") == 0, "players are made when they are used"
    browser.press("j", "j")
    assert browser.see("document.activeElement.className") == "play"
    browser.see("document.querySelector('.moment:has(.picture) .play').focus()")
    browser.press("Enter", "\r")
    browser.until(lambda: browser.see("document.querySelector('video')?.currentTime > 0.3"))
    browser.press("/", "/")
    assert browser.see("document.activeElement.value") == "pour the batter"
    assert [browser.width(pixels) for pixels in (375, 1280)] == [375, 1280]
    loaded = browser.see("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded and all(name.startswith(address) for name in loaded)


def test_a_transcript_jumps_in_the_player(browser: Browser, address: str) -> None:
    browser.open(f"{address}/moment?video=synthetic-00000&start=6.00")
    browser.until(lambda: browser.see("document.querySelector('video')?.readyState >= 2"))
    assert browser.see("document.querySelector('video').currentTime") == pytest.approx(6.0, abs=0.1)
    assert browser.see("document.querySelector('.now span').textContent") == "whisk the eggs"
    browser.see("document.querySelectorAll('.transcript button')[2].click()")
    browser.until(lambda: browser.see("document.querySelector('video').currentTime") >= 12)
    assert "start=12.000" in browser.see("location.href"), "the address is that of the line"
    assert browser.width(375) == 375


def test_a_dark_page_and_an_empty_result_are_readable(browser: Browser, address: str) -> None:
    browser.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.open(f"{address}/?q=zeppelin+-pour")
    assert "No narration has" in browser.see("document.body.innerText")
    assert browser.see("getComputedStyle(document.body).backgroundColor") == "rgb(18, 23, 22)"
    browser.open(f"{address}/?q=-pour")
    assert "no word to search for" in browser.see("document.querySelector('[role=alert]').innerText")


def test_the_command_serves_a_lake_that_is_not_made_yet_and_makes_none(tmp_path: Path) -> None:
    lake, port = tmp_path / "lake", free_port()
    command = [sys.executable, "-m", "orchestration.cli", "search", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "HOWTO_LAKE": str(lake)})
    pages: list[httpx.Response] = []

    def answered() -> bool:
        assert server.poll() is None
        with suppress(httpx.TransportError):
            pages.append(httpx.get(f"http://127.0.0.1:{port}/"))
        return bool(pages) and "Starting." not in pages[-1].text

    try:
        Browser.until(answered, seconds=120)
    finally:
        server.terminate()
        server.wait()
    assert [page.status_code for page in (pages[0], pages[-1])] == [503, 503]
    assert "Starting. Loading: the pages." in pages[0].text, "it answers before it is imported"
    assert "The narration is not indexed yet" in pages[-1].text and "howto refresh" in pages[-1].text
    assert not lake.exists()

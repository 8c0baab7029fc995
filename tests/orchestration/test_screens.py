"""What people see: the asset graph, a model's page with its plot, the card and the search page, in a real browser.

With SCREENS=folder the pictures are kept there; those of the README are made so.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from orchestration.settings import Settings
from orchestration.settings.catalogue import environment
from tests.browser import Browser

ROOT = Path(__file__).parents[2]
CLICK = "[...document.querySelectorAll('{where}')].find(each => each.innerText.includes('{text}'))"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path) as opened:
        opened.width(1280)
        yield opened


@contextmanager
def served(made: tuple[Settings, Path], *command: str) -> Iterator[str]:
    """A server of ours in a process of its own, under the settings of the small world; its address."""
    settings, state = made
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **environment(settings), "DAGSTER_HOME": str(state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        Browser.until(lambda: process.poll() is not None or answers(address), seconds=120)
        assert process.poll() is None, f"{command[0]} ended"
        yield address
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def keep(browser: Browser, name: str) -> None:
    """The page as it is now, as a picture of more than one colour."""
    picture = base64.b64decode(browser.do("Page.captureScreenshot")["data"])
    assert len(picture) > 5000
    if folder := os.environ.get("SCREENS"):
        (Path(folder) / f"{name}.png").write_bytes(picture)


def test_the_graph_and_a_model_with_its_plot(made: tuple[Settings, Path], browser: Browser) -> None:
    with served(made, "dagster_webserver", "-m", "orchestration.definitions") as address:
        browser.open(f"{address}/asset-groups")
        browser.until(lambda: "evaluation" in str(browser.see("document.body.innerText")), seconds=60)
        browser.until(lambda: browser.see("document.querySelectorAll('foreignObject').length") >= 5, seconds=60)
        keep(browser, "asset_graph")

        browser.open(f"{address}/assets/joint_embedding?view=overview")
        shown = CLICK.format(where="tr", text="curves") + "?.querySelector('button, a')"
        browser.until(lambda: browser.see(f"Boolean({shown})"), seconds=60)
        browser.see(f"{shown}.click()")
        browser.until(lambda: browser.see("document.querySelector('img[alt=training]')?.naturalWidth") == 672)
        keep(browser, "asset_page")


def test_the_card_and_the_search_page(made: tuple[Settings, Path], browser: Browser) -> None:
    settings, _ = made
    browser.open((settings.lake / "card" / "card.html").as_uri())
    assert "synthetic how-to videos" in browser.see("document.body.innerText")
    keep(browser, "card")
    with served(made, "orchestration.cli", "search") as address:
        Browser.until(lambda: httpx.get(f"{address}/healthz").json()["message"] is None, seconds=120)
        browser.open(f"{address}/?q=rinse+the+box")
        browser.until(lambda: browser.see("document.querySelector('.picture img')?.naturalWidth") > 0)
        browser.until(
            lambda: browser.see("[...document.images].every(each => each.complete || each.loading == 'lazy')")
        )
        keep(browser, "search_page")

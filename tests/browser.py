"""A headless Chromium for tests of pages, driven over its DevTools protocol. Without one, these tests are skipped."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from websockets.sync.client import connect

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--mute-audio",
    "--hide-scrollbars",
)


class Browser:
    """One page of its own browser; ``profile`` is an empty folder for it."""

    def __init__(self, profile: Path) -> None:
        self.profile, self.requests, self.held = profile, 0, ExitStack()

    def __enter__(self) -> Self:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            pytest.skip("no Chromium is installed")
        place = ["--remote-debugging-port=0", f"--user-data-dir={self.profile}", "--window-size=1280,900"]
        process = subprocess.Popen(
            [program, *QUIET, *place, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.held.callback(process.wait)
        self.held.callback(process.terminate)
        address = self.profile / "DevToolsActivePort"
        self.until(lambda: address.exists() and "\n" in address.read_text())
        targets = httpx.get(f"http://127.0.0.1:{address.read_text().split()[0]}/json").json()
        page = next(target for target in targets if target["type"] == "page")
        self.socket = self.held.enter_context(connect(page["webSocketDebuggerUrl"], max_size=None))
        return self

    def __exit__(self, *_: object) -> None:
        self.held.close()

    def do(self, method: str, **params: object) -> dict[str, Any]:
        """A method of the protocol, and its result."""
        self.requests += 1
        self.socket.send(json.dumps({"id": self.requests, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv(timeout=30))).get("id") != self.requests:
            pass
        return answer["result"]

    def open(self, url: str) -> None:
        """Go to an address and wait until it is there."""
        self.do("Page.navigate", url=url)
        self.until(
            lambda: self.see("document.readyState === 'complete' && location.href") not in (False, "about:blank")
        )

    def see(self, expression: str) -> Any:
        """What an expression is on the page."""
        return self.do("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key: str, text: str | None = None) -> None:
        """Press a key that writes ``text``."""
        code = {"Enter": 13}.get(key, ord(key[0].upper()))
        for kind in ("keyDown", "keyUp"):
            said = {"text": text} if text and kind == "keyDown" else {}
            self.do("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **said)

    def width(self, pixels: int) -> int:
        """Make the page so wide; how wide its content is then."""
        self.do("Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=False)
        return self.see("document.scrollingElement.scrollWidth")

    @staticmethod
    def until(done: Callable[[], object], seconds: float = 30) -> None:
        """Wait for something to be so.

        Raises:
            AssertionError: it was not within that time.
        """
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "the browser did not get there"
            time.sleep(0.05)

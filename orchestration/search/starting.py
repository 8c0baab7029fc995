"""An application that answers at once, while the application proper is imported and built in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

MESSAGE = "Starting. Loading: the pages."
_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Starting – HowTo Lake</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"></head>
<body><p role="status">{MESSAGE} This page reloads by itself.</p></body></html>
"""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Retry-After": "1",
    "Refresh": "1",
}


class StartingApp:
    """Passes requests to an application as soon as it is built.

    Args:
        build: makes the application; it has a Starlette router.
        failed: called if it cannot be made; ``problem`` then is the reason.
    """

    def __init__(self, build: Callable[[], Any], failed: Callable[[], None]) -> None:
        self.problem: BaseException | None = None
        self._build, self._failed = build, failed
        self._app: Any = None
        self._held = AsyncExitStack()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _answer(scope["path"], send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        building = asyncio.create_task(self._start())
        building.add_done_callback(self._ended)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.wait([building])
        await self._held.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        app = await asyncio.to_thread(self._build)
        await self._held.enter_async_context(app.router.lifespan_context(app))
        self._app = app

    def _ended(self, building: asyncio.Task[None]) -> None:
        self.problem = building.exception()
        if self.problem:
            self._failed()


async def _answer(path: str, send: Any) -> None:
    api = path.startswith("/api/")
    health = f'{{"status":"loading","message":"{MESSAGE}"}}'
    text = health if path == "/healthz" else f'{{"error":"{MESSAGE}"}}' if api else _PAGE
    kind = "application/json" if api or path == "/healthz" else "text/html; charset=utf-8"
    headers = [(name.lower().encode(), value.encode()) for name, value in {**_HEADERS, "Content-Type": kind}.items()]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})

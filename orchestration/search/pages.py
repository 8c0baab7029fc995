"""What all pages of the server share: security headers, templates under a policy, and the rate limit of each client."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from orchestration.search.limits import TokenBuckets

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
NOTHING_ELSE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; media-src 'self';"
    " connect-src 'self'; img-src 'self' data:; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
)
BODY_TIMEOUT_S = 60.0
"""Time in which the body of a request must arrive."""


class Pages:
    """Renders the templates of the server.

    A template gets ``nonce``, which its ``style`` and ``script`` elements must carry. The policy of a page allows
    pictures, videos and requests of this server only, and no inline style attributes.
    """

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("orchestration.search"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["clock"] = clock

    def html(
        self, template: str, values: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """A rendered template under a policy of its own."""
        nonce = secrets.token_urlsafe(16)
        policy = {"Content-Security-Policy": PAGE_POLICY.format(nonce=nonce), "Cache-Control": "no-store"}
        text = self._templates.get_template(template).render({**values, "nonce": nonce})
        return HTMLResponse(text, status, policy | dict(headers or {}))


class SecurityHeaders:
    """Headers of every response; a response without a policy of its own may load nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                wanted = {**SECURITY_HEADERS, "Content-Security-Policy": NOTHING_ELSE}
                more = [(name.lower().encode(), value.encode()) for name, value in wanted.items()]
                message["headers"] = [*message["headers"], *(each for each in more if each[0] not in present)]
            await send(message)

        await self.app(scope, receive, with_headers)


def take_token(buckets: TokenBuckets, request: Request) -> None:
    """Count a request against its client.

    Raises:
        HTTPException: the client sends too many requests.
    """
    client = request.client.host if request.client else ""
    if wait_s := buckets.wait_s(client):
        raise HTTPException(429, f"Too many requests; try again in {wait_s} s.", {"Retry-After": str(wait_s)})


async def body_of(request: Request, most_bytes: int, what: str) -> bytes:
    """The body of a request.

    Raises:
        HTTPException: it is too long, or arrives too slowly.
    """
    held = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                held += part
                if len(held) > most_bytes:
                    raise HTTPException(413, f"{what} has at most {most_bytes:,} bytes.")
    except TimeoutError:
        raise HTTPException(408, f"{what} must arrive within {BODY_TIMEOUT_S:g} s.") from None
    return bytes(held)


def clock(seconds: float) -> str:
    """Seconds as a player shows them: ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

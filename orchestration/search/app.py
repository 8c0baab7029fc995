"""The web application: a page, a JSON API, and the bytes of the videos.

See `moments` for the search and `templates` for the page.
"""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from orchestration.search.library import Library, UnavailableError
from orchestration.search.limits import TokenBuckets
from orchestration.search.openapi import document
from orchestration.search.options import MOST_MOMENTS, QUERY_LENGTH, SearchOptions

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
    " img-src data:; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
)

CARD_POLICY = f"{NOTHING_ELSE}; style-src 'unsafe-inline'; img-src data:"
"""The data set card is one file with its styles and pictures inside."""


class SearchPage:
    """The handlers of one library's page.

    Args:
        library: the moments that can be searched.
        media_roots: folders whose files may be served; a file elsewhere, or a link to one, is not.
        options: what is allowed.
        card: the file of the data set card, which need not exist yet.
    """

    def __init__(
        self, library: Library, media_roots: Sequence[Path], options: SearchOptions, card: Path | None = None
    ) -> None:
        self.library, self.options, self.card_file = library, options, card
        self.media_roots = [root.resolve() for root in media_roots]
        self.buckets = TokenBuckets(options.rate, options.burst)
        templates = Environment(
            loader=PackageLoader("orchestration.search"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters["clock"] = clock
        self.template = templates.get_template("page.html")

    # -- pages --------------------------------------------------------------------------------------------------

    def page(self, request: Request) -> Response:
        """The page: the text, its moments, or what to do where there are none."""
        query = request.query_params.get("q", "").strip()
        seen: dict[str, Any] = {"query": query, "answer": None, "message": None, "loading": False}
        try:
            clips = self.library.current().clips
            seen |= {"corpus": clips, "examples": clips.examples}
            if query:
                seen["answer"] = self._answer(request)
        except UnavailableError as error:
            return self._html({**seen, "message": str(error), "loading": error.loading}, 503)
        except HTTPException as refusal:
            return self._html({**seen, "message": refusal.detail}, refusal.status_code, refusal.headers)
        return self._html(seen)

    def _html(self, seen: dict[str, Any], status: int = 200, headers: Any = None) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        about: dict[str, Any] = {"corpus": None, "examples": [], "nonce": nonce, "longest": QUERY_LENGTH}
        about["card"] = self._has_card()
        policy = {"Content-Security-Policy": PAGE_POLICY.format(nonce=nonce), "Cache-Control": "no-store"}
        return HTMLResponse(self.template.render(about | seen), status, policy | dict(headers or {}))

    # -- the API ------------------------------------------------------------------------------------------------

    def api(self, request: Request) -> Response:
        """``/api/search?q=&limit=``."""
        return JSONResponse(self._answer(request), headers={"Cache-Control": "no-store"})

    def openapi(self, request: Request) -> Response:
        """The description of the API."""
        return JSONResponse(document(self.options))

    def _answer(self, request: Request) -> dict[str, Any]:
        """The answer to a request's text, as the API gives it.

        Raises:
            HTTPException: the text or the limit is refused, or the client sends too many requests.
            UnavailableError: there is nothing to search in yet.
        """
        query, limit = self._query_and_limit(request)
        client = request.client.host if request.client else ""
        if wait_s := self.buckets.wait_s(client):
            raise HTTPException(429, f"Too many requests; try again in {wait_s} s.", {"Retry-After": str(wait_s)})
        corpus = self.library.current()
        clips = _found(corpus.clips, query, limit)
        # HERO tokenizes any text; for one without a known word its ranking means nothing.
        found = [clips, _found(corpus.hero, query, limit if clips["moments"] else 0)]
        return {"query": query, "unknown_words": corpus.clips.unknown(query), "results": found}

    def _query_and_limit(self, request: Request) -> tuple[str, int]:
        query = request.query_params.get("q", "").strip()
        if not query:
            raise HTTPException(400, "q: missing; describe a step, e.g. q=pour the batter")
        if len(query) > QUERY_LENGTH:
            raise HTTPException(400, f"q: has {len(query)} characters; at most {QUERY_LENGTH} are allowed")
        limit = request.query_params.get("limit", str(self.options.moments))
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:6]) <= MOST_MOMENTS):
            raise HTTPException(400, f"limit: must be a number from 1 to {MOST_MOMENTS}")
        return query, int(limit)

    # -- the card -----------------------------------------------------------------------------------------------

    def card(self, request: Request) -> Response:
        """The data set card of the lake."""
        if not self._has_card():
            raise HTTPException(404, "No data set card yet: materialize the asset data_set_card.")
        headers = {"Content-Security-Policy": CARD_POLICY, "Cache-Control": "no-cache"}
        return FileResponse(str(self.card_file), media_type="text/html", headers=headers)

    def _has_card(self) -> bool:
        return self.card_file is not None and self.card_file.is_file()

    # -- media --------------------------------------------------------------------------------------------------

    def media(self, request: Request) -> Response:
        """The file of a video; ranges of bytes if the request has them."""
        path = self._file(request.path_params["video_id"])
        kind = mimetypes.guess_type(path.name)[0] if path else None
        if path is None or kind is None or not kind.startswith("video/"):
            raise HTTPException(404, "The lake has no file of that video.")
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "private, max-age=3600"})

    def _file(self, video_id: str) -> Path | None:
        uri = self.library.current().clips.files.get(video_id)
        if uri is None:
            return None
        path = (self.media_roots[0] / uri).resolve()
        allowed = any(path.is_relative_to(root) for root in self.media_roots)
        return path if allowed and path.is_file() else None

    # -- refusals -----------------------------------------------------------------------------------------------

    async def refused(self, request: Request, error: Exception) -> Response:
        """A refusal as JSON, for every address."""
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    async def unavailable(self, request: Request, error: Exception) -> Response:
        """Not yet: with the seconds after which to try again."""
        return JSONResponse({"error": str(error)}, 503, {"Retry-After": "2"})


def build_app(
    library: Library, media_roots: Sequence[Path], options: SearchOptions | None = None, card: Path | None = None
) -> Starlette:
    """The application over a library; see ``SearchPage`` for the arguments."""
    options = options or SearchOptions()
    page = SearchPage(library, media_roots, options, card)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # Loading starts before the first request.
        with suppress(UnavailableError):
            library.current()
        yield
        library.close()

    return Starlette(
        routes=[
            Route("/", page.page),
            Route("/api/search", page.api),
            Route("/api/openapi.json", page.openapi),
            Route("/media/{video_id}", page.media),
            Route("/card", page.card),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(options.hosts), www_redirect=False),
        ],
        exception_handlers={HTTPException: page.refused, UnavailableError: page.unavailable},
        lifespan=lifespan,
    )


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


def clock(seconds: float) -> str:
    """Seconds as a player shows them: ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _found(model: Any, query: str, limit: int) -> dict[str, Any]:
    """The moments of a model, as the API returns them; for a model that is missing, the reason."""
    if isinstance(model, str):
        return {"model": "HERO", "scored_by": None, "message": model, "moments": []}
    moments = [_record(each) for each in model.search(query, limit)]
    return {"model": model.name, "scored_by": model.scored_by, "message": None, "moments": moments}


def _record(moment: Any) -> dict[str, Any]:
    record = asdict(moment)
    playable = record.pop("playable")
    return {**record, "media": f"/media/{quote(moment.video_id, safe='')}" if playable else None}

"""The web application: a page, a JSON API, and the bytes of the videos.

See `moments` for the search, `schema` for the API, and `templates` for the page.
"""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import fastapi
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from orchestration.search.library import Library, UnavailableError
from orchestration.search.limits import TokenBuckets
from orchestration.search.options import QUERY_LENGTH, SearchOptions
from orchestration.search.pages import NOTHING_ELSE, Pages, SecurityHeaders, take_token
from orchestration.search.schema import Answer, Health, Query, Refusal

CARD_POLICY = f"{NOTHING_ELSE}; style-src 'unsafe-inline'; img-src data:"
"""The data set card is one file with its styles and pictures inside."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "A parameter is not what is allowed."},
    429: {"model": Refusal, "description": "Too many requests; the header Retry-After has the seconds to wait."},
    503: {"model": Refusal, "description": "Nothing can be searched yet; the message says why."},
}
VIDEO = {"video/*": {"schema": {"type": "string", "format": "binary"}}}
FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": VIDEO},
    206: {"description": "The bytes of the header Range.", "content": VIDEO},
    404: {"model": Refusal, "description": "The lake has no file of that video."},
}


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
        self.buckets, self.pages = TokenBuckets(options.rate, options.burst), Pages()

    def router(self) -> APIRouter:
        """The addresses of the page."""
        router = APIRouter()
        router.get("/", include_in_schema=False)(self.page)
        router.get("/card", include_in_schema=False)(self.card)
        router.get("/healthz", operation_id="health", responses={503: {"model": Health}})(self.health)
        router.get("/api/search", operation_id="search", responses=REFUSALS)(self.api)
        router.get("/media/{video_id}", operation_id="media", response_class=FileResponse, responses=FILES)(self.media)
        return router

    # -- pages --------------------------------------------------------------------------------------------------

    def page(self, request: Request) -> Response:
        """The page: the text, its moments, or what to do where there are none."""
        query = request.query_params.get("q", "").strip()
        seen: dict[str, Any] = {"query": query, "answer": None, "message": None, "loading": False}
        try:
            clips = self.library.current().clips
            seen |= {"corpus": clips, "examples": clips.examples}
            if query:
                seen["answer"] = self._answer(request, Query.model_validate(dict(request.query_params)))
        except UnavailableError as error:
            return self._html({**seen, "message": str(error), "loading": error.loading}, 503)
        except ValidationError as error:
            return self._html({**seen, "message": problem(error)}, 400)
        except HTTPException as refusal:
            return self._html({**seen, "message": refusal.detail}, refusal.status_code, refusal.headers)
        return self._html(seen)

    def _html(self, seen: dict[str, Any], status: int = 200, headers: Any = None) -> HTMLResponse:
        about: dict[str, Any] = {"corpus": None, "examples": [], "longest": QUERY_LENGTH, "card": self._has_card()}
        return self.pages.html("page.html", about | seen, status, headers)

    # -- the API ------------------------------------------------------------------------------------------------

    def api(self, request: Request, response: Response, query: Annotated[Query, fastapi.Query()]) -> Answer:
        """The best moments for a text."""
        response.headers["Cache-Control"] = "no-store"
        return self._answer(request, query)

    def health(self, response: Response) -> Health:
        """Whether the page can search now."""
        try:
            self.library.current()
        except UnavailableError as error:
            response.status_code = 503
            return Health(status="loading" if error.loading else "unavailable", message=str(error))
        return Health(status="ready", message=None)

    def _answer(self, request: Request, query: Query) -> Answer:
        """The answer to a request.

        Raises:
            HTTPException: the client sends too many requests.
            UnavailableError: there is nothing to search in yet.
        """
        take_token(self.buckets, request)
        corpus, limit = self.library.current(), query.limit or self.options.moments
        clips = _found(corpus.clips, query.q, limit)
        # HERO tokenizes any text; for one without a known word its ranking means nothing.
        found = [clips, _found(corpus.hero, query.q, limit if clips["moments"] else 0)]
        return Answer.model_validate(
            {"query": query.q, "unknown_words": corpus.clips.unknown(query.q), "results": found}
        )

    # -- the card -----------------------------------------------------------------------------------------------

    def card(self) -> Response:
        """The data set card of the lake."""
        if not self._has_card():
            raise HTTPException(404, "No data set card yet: materialize the asset data_set_card.")
        headers = {"Content-Security-Policy": CARD_POLICY, "Cache-Control": "no-cache"}
        return FileResponse(str(self.card_file), media_type="text/html", headers=headers)

    def _has_card(self) -> bool:
        return self.card_file is not None and self.card_file.is_file()

    # -- media --------------------------------------------------------------------------------------------------

    def media(self, video_id: str) -> FileResponse:
        """The file of a video; ranges of bytes if the request has them."""
        path = self._file(video_id)
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


# -- refusals ---------------------------------------------------------------------------------------------------


def problem(error: ValidationError | RequestValidationError) -> str:
    """The first parameter that is wrong, its value and what is allowed, in one line."""
    first = error.errors()[0]
    name, value, limits = str(first["loc"][-1]), first["input"], first.get("ctx", {})
    match first["type"]:
        case "missing" | "string_too_short":
            return f"{name}: missing; describe a step, e.g. q=pour the batter"
        case "string_too_long":
            return f"{name}: has {len(value.strip())} characters; at most {limits['max_length']} are allowed"
        case _:
            allowed = first["msg"].lower().removeprefix("input ").removeprefix("value error, ")
            return f"{name}={str(value)[:40]}: {allowed}"


async def _refused(_: Request, refusal: HTTPException) -> Response:
    return JSONResponse({"error": refusal.detail}, refusal.status_code, refusal.headers)


async def _wrong(_: Request, error: RequestValidationError) -> Response:
    return JSONResponse({"error": problem(error)}, 400)


async def _unavailable(_: Request, error: UnavailableError) -> Response:
    return JSONResponse({"error": str(error)}, 503, {"Retry-After": "2"})


def build_app(
    library: Library,
    media_roots: Sequence[Path],
    options: SearchOptions | None = None,
    card: Path | None = None,
    routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """The application over a library; see ``SearchPage`` for the arguments.

    Args:
        routers: other pages that the same server has.
    """
    options = options or SearchOptions()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Loading starts before the first request.
        with suppress(UnavailableError):
            library.current()
        yield
        library.close()

    app = FastAPI(
        title="HowTo Lake: moments of videos",
        version="1",
        description="The moments of the lake's videos that a text describes."
        f" A client may send {options.burst} requests at once and then {options.rate:g} per second.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(options.hosts), www_redirect=False),
        ],
        exception_handlers={
            HTTPException: _refused,
            RequestValidationError: _wrong,
            UnavailableError: _unavailable,
        },
        lifespan=lifespan,
    )
    for router in (SearchPage(library, media_roots, options, card).router(), *routers):
        app.include_router(router)
    for operation in (each for path in app.openapi()["paths"].values() for each in path.values()):
        operation["responses"].pop("422", None)  # `_wrong` gives 400 instead
    return app


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

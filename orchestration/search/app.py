"""The web application: pages, a JSON API, and the files of the videos.

See `answers` for the search, `schema` for the API, and `templates` for the pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response

from assets.search.narration import Filters
from orchestration.search.answers import answer, by_picture, moment_page, similar
from orchestration.search.errors import UnavailableError
from orchestration.search.files import LakeFiles
from orchestration.search.library import Library
from orchestration.search.limits import TokenBuckets
from orchestration.search.options import QUERY_LENGTH, SearchOptions
from orchestration.search.pages import Pages, SecurityHeaders, body_of, take_token
from orchestration.search.pictures import FORMATS, MOST_BYTES, PictureError, PictureQueries, missing
from orchestration.search.schema import Answer, Filtered, Health, PictureQuery, Query, Refusal, Similar

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "A parameter is not what is allowed."},
    429: {"model": Refusal, "description": "Too many requests; the header Retry-After has the seconds to wait."},
    503: {"model": Refusal, "description": "Nothing can be searched yet; the message says why."},
}
NOT_KEPT: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "The picture is not kept."}}
NOT_READ: dict[int | str, dict[str, Any]] = {
    408: {"model": Refusal, "description": "The picture arrives too slowly."},
    413: {"model": Refusal, "description": "The picture has too many bytes."},
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
PICTURE_BODY = {"required": True, "content": {f"image/{kind.lower()}": _FILE for kind in FORMATS}}


class SearchPage:
    """The handlers of one library's pages.

    Args:
        library: the moments that can be searched.
        files: serves videos, stills and the card.
        options: what is allowed.
    """

    def __init__(self, library: Library, files: LakeFiles, options: SearchOptions) -> None:
        self.library, self.files, self.options = library, files, options
        self.buckets, self.pages = TokenBuckets(options.rate, options.burst), Pages()
        self.pictures = PictureQueries()

    def router(self) -> APIRouter:
        """The addresses of the pages and of the API."""
        router = APIRouter()
        router.get("/", include_in_schema=False)(self.page)
        router.get("/moment", include_in_schema=False)(self.moment)
        router.get("/healthz", operation_id="health", responses={503: {"model": Health}})(self.health)
        router.get("/api/search", operation_id="search", responses=REFUSALS)(self.search)
        router.get("/api/similar", operation_id="similar", responses=REFUSALS)(self.similar)
        router.get("/api/picture", operation_id="picture", responses=REFUSALS | NOT_KEPT)(self.picture)
        router.post(
            "/api/picture",
            operation_id="send_picture",
            responses=REFUSALS | NOT_READ,
            openapi_extra={"requestBody": PICTURE_BODY},
        )(self.send_picture)
        return router

    # -- pages --------------------------------------------------------------------------------------------------

    def page(self, request: Request) -> Response:
        """The page of a search by text or by a picture, or of moments like another one."""
        given = dict(request.query_params)
        if "picture" in given:
            return self._page(request, given, lambda: self._by_picture(request, PictureQuery.model_validate(given)))
        if "video" in given:
            return self._page(request, given, lambda: self._similar(request, Similar.model_validate(given)))
        if given.get("q", "").strip():
            return self._page(request, given, lambda: self._search(request, Query.model_validate(given)))
        return self._page(request, given, lambda: None)

    def moment(self, request: Request) -> Response:
        """A video at a moment, with its narration."""
        given = dict(request.query_params)

        def shown() -> dict[str, Any]:
            at = Similar.model_validate({"video": given.get("video"), "at": given.get("start", 0)})
            corpus = self.library.current()
            facts = corpus.facts(at.video)
            if facts is None:
                raise HTTPException(404, f"The data set has no video {at.video}.")
            spoken = corpus.lines([at.video]).get(at.video, [])
            lines = [(line, moment_page(at.video, line.start_s, line.end_s)) for line in spoken]
            playable = self.files.path(at.video) is not None
            chapters = corpus.chapters([at.video]).get(at.video, [])
            values = {"video": at.video, "facts": facts, "lines": lines, "chapters": chapters}
            return {**values, "start_s": at.at, "playable": playable}

        return self._rendered("moment.html", {"query": "", "video": None}, shown)

    def _page(self, request: Request, given: dict[str, str], find: Callable[[], Answer | None]) -> Response:
        def shown() -> dict[str, Any]:
            corpus = self.library.current()
            about = {"corpus": corpus, "examples": corpus.examples, "choices": corpus.choices}
            parts, no_pictures = self.library.loading(), missing(self.library)
            return {**about, "answer": find(), "parts": parts, "no_pictures": no_pictures}

        values: dict[str, Any] = {
            "query": given.get("q", "").strip(),
            "given": defaultdict(str, given),
            "filters": _filters_in(given),
            "answer": None,
        }
        values |= {"corpus": None, "examples": [], "choices": {}, "parts": [], "api": request.url.query}
        values |= {"no_pictures": None, "picture_formats": [f"image/{kind.lower()}" for kind in FORMATS]}
        return self._rendered("page.html", values, shown)

    def _rendered(self, template: str, values: dict[str, Any], shown: Callable[[], dict[str, Any]]) -> HTMLResponse:
        """A page with what ``shown`` finds, or with the reason why it finds nothing."""
        values |= {"message": None, "loading": False, "longest": QUERY_LENGTH, "card": self.files.has_card}
        status, headers = 200, dict[str, str]()
        try:
            values |= shown()
        except UnavailableError as error:
            values |= {"message": str(error), "loading": error.loading}
            status = 503
        except ValidationError as error:
            values |= {"message": problem(error)}
            status = 400
        except HTTPException as refusal:
            values |= {"message": refusal.detail}
            status, headers = refusal.status_code, dict(refusal.headers or {})
        return self.pages.html(template, {**values, "status": status}, status, headers)

    # -- the API ------------------------------------------------------------------------------------------------

    def search(self, request: Request, response: Response, query: Annotated[Query, fastapi.Query()]) -> Answer:
        """The best moments for a text, by each list and by all lists together."""
        response.headers["Cache-Control"] = "no-store"
        return self._search(request, query)

    def similar(self, request: Request, response: Response, query: Annotated[Similar, fastapi.Query()]) -> Answer:
        """Moments whose narration means the same as that of a moment."""
        response.headers["Cache-Control"] = "no-store"
        return self._similar(request, query)

    def picture(self, request: Request, response: Response, query: Annotated[PictureQuery, fastapi.Query()]) -> Answer:
        """The moments that look like a picture that was sent before."""
        response.headers["Cache-Control"] = "no-store"
        return self._by_picture(request, query)

    async def send_picture(
        self, request: Request, response: Response, query: Annotated[Filtered, fastapi.Query()]
    ) -> Answer:
        """The moments that look like the picture in the body. The response has a name for further searches by it."""
        take_token(self.buckets, request)
        response.headers["Cache-Control"] = "no-store"
        content = await body_of(request, MOST_BYTES, "A picture")
        return await run_in_threadpool(self._sent, content, query)

    def health(self, response: Response) -> Health:
        """Whether the page can search now, and what is loading."""
        try:
            self.library.current()
        except UnavailableError as error:
            response.status_code = 503
            return Health(status="loading" if error.loading else "unavailable", message=str(error))
        parts = self.library.loading()
        return Health(status="ready", message=f"Loading: {', '.join(parts)}." if parts else None)

    def _search(self, request: Request, query: Query) -> Answer:
        take_token(self.buckets, request)
        try:
            return self._with_files(answer(self.library, query, self.options.moments))
        except ValueError as error:
            raise HTTPException(400, f"q: {error}") from None

    def _sent(self, content: bytes, query: Filtered) -> Answer:
        try:
            name = self.pictures.add(self.library, content)
        except PictureError as error:
            raise HTTPException(400, f"The picture cannot be searched by: {error}") from None
        return self._of_picture(PictureQuery(picture=name, **query.model_dump()))

    def _by_picture(self, request: Request, query: PictureQuery) -> Answer:
        take_token(self.buckets, request)
        return self._of_picture(query)

    def _of_picture(self, query: PictureQuery) -> Answer:
        try:
            vector = self.pictures.vector(self.library, query.picture)
        except PictureError as error:
            raise HTTPException(400, str(error)) from None
        except LookupError as error:
            raise HTTPException(404, str(error)) from None
        return self._with_files(by_picture(self.library, query, vector, self.options.moments))

    def _similar(self, request: Request, query: Similar) -> Answer:
        take_token(self.buckets, request)
        try:
            return self._with_files(similar(self.library, query, self.options.moments))
        except LookupError as error:
            raise HTTPException(400, str(error).strip("'\"")) from None

    def _with_files(self, found: Answer) -> Answer:
        """The answer without addresses of files that are not served, such as those of a folder that is not set now."""
        for moment in (*found.moments, *(each for ranking in found.results for each in ranking.moments)):
            if moment.media and self.files.path(moment.video_id) is None:
                moment.media = moment.still = None
        return found


def _filters_in(given: dict[str, str]) -> dict[str, str]:
    """The filters of a request that have a value."""
    return {key: value for key, value in given.items() if key in Filters.__dataclass_fields__ and value}


# -- refusals ---------------------------------------------------------------------------------------------------


def problem(error: ValidationError | RequestValidationError) -> str:
    """The first parameter that is wrong, its value and what is allowed, in one line."""
    first = error.errors()[0]
    name, value, limits = str(first["loc"][-1]), first["input"], first.get("ctx", {})
    if name == "q" and first["type"] in ("missing", "string_too_short"):
        return "q: missing; describe a step, e.g. q=pour the batter"
    if first["type"] == "missing":
        return f"{name}: missing"
    if first["type"] == "string_too_long":
        return f"{name}: has {len(value.strip())} characters; at most {limits['max_length']} are allowed"
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
    """The application over a library.

    Args:
        media_roots: folders whose files may be served; a file elsewhere, or a link to one, is not.
        options: what is allowed.
        card: the file of the data set card, which need not exist yet.
        routers: other pages that the same server has.
    """
    options = options or SearchOptions()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Loading starts before the first request.
        library.start()
        yield
        library.close()

    app = FastAPI(
        title="HowTo Lake: moments of videos",
        version="2",
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
    files = LakeFiles(lambda: library.current().files, media_roots, card)
    for router in (SearchPage(library, files, options).router(), files.router(), *routers):
        app.include_router(router)
    for operation in (each for path in app.openapi()["paths"].values() for each in path.values()):
        operation["responses"].pop("422", None)  # `_wrong` gives 400 instead
    return app

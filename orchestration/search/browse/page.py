"""The addresses of the browse page: grid, sheets of labels, stills and exports.

See ``rows`` and ``thresholds`` for what is shown, and ``labels`` for what is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import fastapi
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from assets.features.frames.borders import borders_of_videos, still_s
from assets.features.frames.options import ClipLimits
from assets.lake import Lake
from assets.videos.chapters import chapter_at, used_chapters
from assets.videos.filters import Limits
from orchestration.search.browse.exports import MOST_ROWS, as_csv, as_fiftyone
from orchestration.search.browse.labels import FILE_ERRORS, Name, Sheets, UnknownItemError
from orchestration.search.browse.request import PER_PAGE, Kind, Selection
from orchestration.search.browse.rows import Condition, categories, find
from orchestration.search.browse.stored_files import StoredUris, lengths
from orchestration.search.browse.thresholds import ClipComparison, Comparison, compare, compare_clips
from orchestration.search.files import LakeFiles
from orchestration.search.pages import Pages, body_of
from orchestration.search.schema import Refusal

NEEDED = ("tasks", "search_results", "candidate_videos", "captions", "videos", "clips")
LONGEST_BODY = 4096
"""Bytes of a label; its item may be a long verb or two ids."""
REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "No label."},
    403: {"model": Refusal, "description": "The server is read-only, or the request comes from another site."},
    404: {"model": Refusal, "description": "The sheet has no such item."},
    409: {
        "model": Refusal,
        "description": "The file of the sheet cannot be used, or the answer is not one of its answers.",
    },
    413: {"model": Refusal, "description": "The request is too long."},
    415: {"model": Refusal, "description": "The request is not JSON."},
}


class Label(BaseModel):
    """One answer on an item of a sheet; an empty ``label`` takes it back."""

    model_config = ConfigDict(extra="forbid")

    sheet: Name
    item: Annotated[str, Field(min_length=1, max_length=1000)]
    label: Annotated[str, Field(max_length=40)]


class BrowsePage:
    """The handlers of the browse page of one lake.

    Args:
        limits, clip_limits: thresholds in force.
        media_roots: folders whose files may be read.
        writable: whether labels may be written: only where no other machine reaches the server.
    """

    def __init__(
        self,
        lake: Lake,
        limits: Limits,
        clip_limits: ClipLimits,
        sheets: Sheets,
        media_roots: Sequence[Path],
        writable: bool = True,
    ) -> None:
        self.lake, self.sheets, self.writable = lake, sheets, writable
        self.limits, self.clip_limits = limits, clip_limits
        self.media_roots, self.pages = list(media_roots), Pages()
        self.files = LakeFiles(lambda: StoredUris(lake), media_roots)
        self._compared = lru_cache(maxsize=32)(self._compare)

    def router(self) -> APIRouter:
        """The addresses of the page."""
        router = APIRouter()
        router.get("/browse", include_in_schema=False)(self.grid)
        router.get("/browse/labels/{sheet}", include_in_schema=False)(self.sheet)
        router.get("/browse/rows.csv", include_in_schema=False)(self.csv)
        router.get("/browse/labels.json", include_in_schema=False)(self.fiftyone)
        router.get("/browse/still/{video_id:path}", include_in_schema=False)(self.still)
        router.get("/browse/media/{video_id:path}", include_in_schema=False)(self.media)
        body = {"content": {"application/json": {"schema": Label.model_json_schema()}}, "required": True}
        router.post("/api/labels", operation_id="label", responses=REFUSED, openapi_extra={"requestBody": body})(
            self.write
        )
        return router

    # -- pages --------------------------------------------------------------------------------------------------

    def grid(self, request: Request) -> Response:
        """The rows of a selection, with the reasons and, if other thresholds are given, their effect."""
        try:
            selection = Selection.model_validate(dict(request.query_params))
        except ValidationError as error:
            return self._html("browse.html", {"message": _problem(error), "selection": Selection()}, 400)
        if missing := self._missing():
            return self._html("browse.html", {"message": missing, "selection": selection}, 503)
        comparison = self._comparison(selection)
        found = find(self.lake, selection, _changed(selection, comparison))
        video_ids = list({row["video_id"] for row in found.rows})
        of_clips = video_ids if selection.kind == "clips" else []
        chapters, borders = used_chapters(self.lake, of_clips), borders_of_videos(self.lake, of_clips)
        values = {
            "selection": selection,
            "message": None,
            "found": found,
            "comparison": comparison,
            "limits": self.limits if selection.kind == "videos" else self.clip_limits,
            "categories": categories(self.lake),
            "pages": max(1, -(-found.total // PER_PAGE)),
            "lengths": lengths(self.lake, video_ids),
            "still_of": lambda row: still_s(row["start_s"], row["end_s"], borders.get(row["video_id"], ())),
            "chapter_of": lambda row: chapter_at(chapters.get(row["video_id"], ()), row["start_s"]),
            "measured": selection.kind == "videos" or self._measured(),
            "clips_of": lambda video_id: Selection(kind="clips", video=video_id).address(),
        }
        return self._html("browse.html", values)

    def sheet(self, request: Request, sheet: Name) -> Response:
        """One page of a sheet of labels."""
        waiting = request.query_params.get("waiting") == "1"
        page = request.query_params.get("page", "1")
        if not (page.isascii() and page.isdigit() and 1 <= int(page[:8]) <= 10**6):
            return self._html("labels.html", {"message": "page: must be a number from 1", "name": sheet}, 400)
        if self.lake.is_new:
            return self._html("labels.html", {"message": self._missing(), "name": sheet}, 503)
        try:
            found = self.sheets.sheet(sheet, int(page), waiting)
        except FILE_ERRORS as error:
            return self._html("labels.html", {"message": str(error), "name": sheet}, 409)
        shown = found.total - found.labelled if waiting else found.total
        pages = max(1, -(-shown // PER_PAGE))
        values = {"name": sheet, "message": None, "sheet": found, "page": int(page), "pages": pages, "waiting": waiting}
        return self._html("labels.html", values)

    def _html(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        return self.pages.html(template, {**values, "writable": self.writable}, status)

    def _missing(self) -> str | None:
        """What the lake lacks. No lake is created where there is none."""
        if self.lake.is_new:
            return f"There is no lake in {self.lake.root} yet. Run howto refresh."
        absent = next((name for name in NEEDED if not self.lake.has(name)), None)
        return f"The lake has no table {absent} yet. Run howto refresh, or materialize that asset." if absent else None

    # -- other thresholds ---------------------------------------------------------------------------------------

    def _comparison(self, selection: Selection) -> Comparison | ClipComparison | None:
        if not selection.thresholds or not (selection.kind == "videos" or self._measured()):
            return None
        return self._compared(self.lake.snapshot(), selection.kind, tuple(sorted(selection.thresholds.items())))

    def _compare(self, _: int, kind: Kind, thresholds: tuple[tuple[str, str], ...]) -> Comparison | ClipComparison:
        if kind == "clips":
            return compare_clips(self.lake, self.clip_limits, dict(thresholds))
        return compare(self.lake, self.limits, dict(thresholds))

    def _measured(self) -> bool:
        """Whether the lake has the measures by which clips are dropped."""
        return all(self.lake.has(name) for name in ("clip_quality", "visual_duplicates", *self.clip_limits.inputs))

    # -- exports ------------------------------------------------------------------------------------------------

    def csv(self, query: Annotated[Selection, fastapi.Query()]) -> Response:
        """The selection as CSV."""
        rows, files = self._exported(query)
        return _attachment(as_csv(rows, files), "text/csv; charset=utf-8", f"{query.kind}.csv")

    def fiftyone(self, query: Annotated[Selection, fastapi.Query()]) -> Response:
        """The selection as labels of a FiftyOne data set."""
        rows, files = self._exported(query)
        return _attachment(as_fiftyone(rows, files), "application/json", "labels.json")

    def _exported(self, selection: Selection) -> tuple[list[dict[str, Any]], dict[str, Path]]:
        if missing := self._missing():
            raise HTTPException(503, missing)
        whole = selection.model_copy(update={"page": 1})
        found = find(self.lake, whole, _changed(whole, self._comparison(whole)), MOST_ROWS)
        if found.total > MOST_ROWS:
            said = f"The selection has {found.total:,} rows; at most {MOST_ROWS:,} are exported. Add a filter."
            raise HTTPException(413, said)
        return found.rows, {video: self.media_roots[0] / uri for video, uri in StoredUris(self.lake).items()}

    # -- files, which need no search ----------------------------------------------------------------------------

    def still(
        self, video_id: str, at: Annotated[float, fastapi.Query(ge=0, le=10**6, allow_inf_nan=False)]
    ) -> Response:
        """A picture of a video at a time in seconds."""
        return self.files.still(video_id, at)

    def media(self, video_id: str) -> FileResponse:
        """The file of a video."""
        return self.files.media(video_id)

    # -- labels -------------------------------------------------------------------------------------------------

    async def write(self, request: Request) -> Label:
        """Write one answer.

        Raises:
            HTTPException: the server is read-only, the request is from another site or is no answer of a sheet.
        """
        self._refuse_others(request)
        if self.lake.is_new:
            raise HTTPException(404, self._missing())
        try:
            label = Label.model_validate_json(await body_of(request, LONGEST_BODY, "A label"))
        except ValidationError as error:
            raise HTTPException(400, _problem(error)) from error
        try:
            await run_in_threadpool(self.sheets.write, label.sheet, label.item, label.label)
        except UnknownItemError as error:
            raise HTTPException(404, str(error)) from error
        except FILE_ERRORS as error:
            raise HTTPException(409, str(error)) from error
        return label

    def _refuse_others(self, request: Request) -> None:
        """A browser sends ``Origin`` with every POST; a form of another site cannot send JSON."""
        if not self.writable:
            raise HTTPException(403, "Labels can be written only on a server that listens on 127.0.0.1.")
        origin = urlsplit(request.headers.get("origin", ""))
        if not origin.netloc or origin.netloc != request.headers.get("host"):
            raise HTTPException(403, "The request comes from another site.")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(415, "A label is JSON: Content-Type must be application/json.")


def _changed(selection: Selection, comparison: Comparison | ClipComparison | None) -> Condition | None:
    """Selects the rows whose verdict other thresholds change."""
    if not selection.change:
        return None
    if isinstance(comparison, ClipComparison):
        return comparison.changed[selection.change], {}
    video_ids = [] if comparison is None else getattr(comparison, selection.change)
    return "video_id IN (SELECT unnest($changed))", {"changed": video_ids}


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "label"
    value = first["input"] if isinstance(first["input"], str | int | float) else json.dumps(str(first["input"])[:20])
    return f"{name}={str(value)[:40]}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _attachment(content: str, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=kind, headers=headers)

"""Files of the lake that pages show: videos, stills of them, and the data set card."""

from __future__ import annotations

import io
import mimetypes
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import fastapi
from fastapi import APIRouter
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from assets.features.timeline import DecodeError
from assets.media.stills import stills
from orchestration.search.pages import NOTHING_ELSE
from orchestration.search.schema import Refusal, Seconds

CARD_POLICY = f"{NOTHING_ELSE}; style-src 'unsafe-inline'; img-src data:"
"""The data set card is one file with its styles and pictures inside."""
STILL_WIDTH = 320
STILLS_IN_MEMORY = 2000
"""About 20 MB of JPEG files."""
DECODERS = 2
"""Stills that are decoded at once; others wait."""
A_DAY = "private, max-age=86400"

MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "The lake has no such file."}}
VIDEO = {"video/*": {"schema": {"type": "string", "format": "binary"}}}
JPEG = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}


class LakeFiles:
    """Serves files below some folders; a file elsewhere, or a link to one, is not served.

    Args:
        uris: path of each video that has a file, relative to the first folder or absolute.
        roots: the folders.
        card: file of the data set card, which need not exist yet.
    """

    def __init__(self, uris: Callable[[], Mapping[str, str]], roots: Sequence[Path], card: Path | None = None) -> None:
        self._uris, self._roots, self._card = uris, [root.resolve() for root in roots], card
        self._decoders = threading.Semaphore(DECODERS)
        self._jpeg = lru_cache(STILLS_IN_MEMORY)(self._decoded)

    def router(self) -> APIRouter:
        """The addresses of the files."""
        router = APIRouter()
        for path, kind, serve in (
            ("/media/{video_id:path}", VIDEO, self.media),
            ("/still/{video_id:path}", JPEG, self.still),
        ):
            found: dict[int | str, dict[str, Any]] = {200: {"description": "The file.", "content": kind}, **MISSING}
            router.get(path, operation_id=serve.__name__, responses=found, response_class=FileResponse)(serve)
        router.get("/card", include_in_schema=False)(self.card)
        return router

    @property
    def has_card(self) -> bool:
        """Whether there is a data set card."""
        return self._card is not None and self._card.is_file()

    def media(self, video_id: str) -> FileResponse:
        """The file of a video; ranges of bytes if the request has them."""
        path = self._video(video_id)
        return FileResponse(path, media_type=_kind(path), headers={"Cache-Control": "private, max-age=3600"})

    def still(
        self,
        video_id: str,
        at: Annotated[Seconds, fastapi.Query(le=10**6, allow_inf_nan=False, description="Second of the video.")],
    ) -> Response:
        """The picture of a video at a time, 320 pixels wide; the last picture after the end."""
        path = self._video(video_id)
        picture = self._jpeg(str(path), path.stat().st_mtime_ns, round(at, 1))
        if picture is None:
            raise HTTPException(404, "The video cannot be decoded at that time.")
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": A_DAY})

    def card(self) -> Response:
        """The data set card of the lake."""
        if not self.has_card:
            raise HTTPException(404, "No data set card yet: materialize the asset data_set_card.")
        headers = {"Content-Security-Policy": CARD_POLICY, "Cache-Control": "no-cache"}
        return FileResponse(str(self._card), media_type="text/html", headers=headers)

    def path(self, video_id: str) -> Path | None:
        """The file of a video; None if there is none that is served."""
        uri = self._uris().get(video_id)
        if uri is None or not self._roots:
            return None
        path = (self._roots[0] / uri).resolve()
        allowed = any(path.is_relative_to(root) for root in self._roots)
        return path if allowed and path.is_file() and _kind(path).startswith("video/") else None

    def _video(self, video_id: str) -> Path:
        path = self.path(video_id)
        if path is None:
            raise HTTPException(404, "The lake has no file of that video.")
        return path

    def _decoded(self, path: str, _changed: int, at_s: float) -> bytes | None:
        with self._decoders:
            try:
                picture = next((each for each in stills(Path(path), [at_s, 0.0]) if each is not None), None)
            except DecodeError:
                return None
        if picture is None:
            return None
        image = Image.fromarray(picture)
        image.thumbnail((STILL_WIDTH, STILL_WIDTH))
        written = io.BytesIO()
        image.save(written, "JPEG", quality=80)
        return written.getvalue()


def _kind(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or ""

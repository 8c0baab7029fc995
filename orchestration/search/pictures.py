"""Search by a picture: its vector by the text-video model in force, which is kept for further searches."""

from __future__ import annotations

import io
import struct
import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ml.files import content_hash
from orchestration.search.errors import UnavailableError
from orchestration.search.library import Library
from orchestration.search.lists import ByPicture, Picture, Seen

MOST_BYTES = 10_000_000
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 10
"""Times the shorter side; scaling a longer picture would take too much memory."""
FORMATS = ("JPEG", "PNG", "WEBP")
KEPT = 1000
AT_ONCE = 2
"""Pictures that are decoded at once; others wait."""


class PictureError(ValueError):
    """The picture cannot be a query; the message says why in one line."""


def read_picture(content: bytes) -> Picture:
    """A picture as RGB ``[height, width, 3]``, turned as its Exif data say.

    Raises:
        PictureError: not a whole JPEG, PNG or WebP picture, or too large or too narrow.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            short, long = sorted(image.size)
            if long * short > MOST_PIXELS:
                raise PictureError(f"it has {long * short:,} pixels; at most {MOST_PIXELS:,} are allowed")
            if long > LONGEST_SIDE * short:
                raise PictureError(f"one side, {long:,} pixels, is more than {LONGEST_SIDE} times the other, {short:,}")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    except UnidentifiedImageError:
        raise PictureError("it is not a JPEG, PNG or WebP picture") from None
    except PictureError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise PictureError(f"it is damaged ({reason[:100]})") from error


def missing(library: Library) -> str | None:
    """Why there is no search by a picture now; None if there is one."""
    try:
        _search(library)
    except (UnavailableError, PictureError) as error:
        return str(error)
    return None


def _search(library: Library) -> tuple[Seen, ByPicture]:
    seen = library.lists().get("seen")
    if isinstance(seen, UnavailableError):
        raise seen
    if not isinstance(seen, Seen):
        raise UnavailableError("There is no list of what is seen.", loading=False)
    if isinstance(seen.by_picture, str):
        raise PictureError(seen.by_picture)
    return seen, seen.by_picture


class PictureQueries:
    """The vectors of the latest pictures, by a hash of their bytes. They are not kept over a restart."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[str, tuple[str, NDArray[np.float32]]] = OrderedDict()
        self._lock, self._decoders = threading.Lock(), threading.Semaphore(AT_ONCE)

    def add(self, library: Library, content: bytes) -> str:
        """Encode a picture by the model in force; returns its name.

        Raises:
            PictureError: it cannot be read, or the model takes no picture.
            UnavailableError: the model is not loaded.
        """
        seen, by_picture = _search(library)
        with self._decoders:
            vector = by_picture.encode(read_picture(content))
        name = content_hash(content)
        with self._lock:
            self._vectors[name] = seen.name, vector
            if len(self._vectors) > KEPT:
                self._vectors.popitem(last=False)
        return name

    def vector(self, library: Library, name: str) -> NDArray[np.float32]:
        """The vector of a picture.

        Raises:
            LookupError: it is not kept, or is of another model than the one in force.
            PictureError, UnavailableError: see ``add``.
        """
        seen, _ = _search(library)
        with self._lock:
            model, vector = self._vectors.get(name, (None, None))
        if vector is None or model != seen.name:
            raise LookupError("This picture is not kept any more; choose it again.")
        return vector

"""Reading any caption file: which reader takes which format.

Belongs here: the table of formats and the one function that callers need. Each format has a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from assets.captions.cues import CaptionError, Captions
from assets.captions.json3 import read_json3
from assets.captions.published import read_mil_nce, read_release_json
from assets.captions.timed_xml import read_srv1, read_srv3, read_ttml
from assets.captions.webvtt import read_srt, read_vtt


def read_captions(data: bytes | Path, format: str | None = None) -> Captions:
    """The lines of a caption file and the cues of it that cannot be used.

    Args:
        data: a file, or its content.
        format: one of ``FORMATS``; of a file, its extension says it.

    Raises:
        CaptionError: the file cannot be read, or is not of that format.
    """
    name = data.name if isinstance(data, Path) else f"{format} captions"
    format = format or (data.suffix.removeprefix(".").lower() if isinstance(data, Path) else "")
    if format not in FORMATS:
        raise CaptionError(f"{name}: no reader for the format {format!r}; there are {', '.join(FORMATS)}")
    try:
        content = data.read_bytes() if isinstance(data, Path) else data
    except OSError as error:
        raise CaptionError(f"{name}: {error}") from error
    return FORMATS[format](content, name)


FORMATS: dict[str, Callable[[bytes, str], Captions]] = {
    "json3": read_json3,
    "srv3": read_srv3,
    "srv1": read_srv1,
    "vtt": read_vtt,
    "srt": read_srt,
    "ttml": read_ttml,
    "json": read_release_json,
    "csv": read_mil_nce,
}
"""Reader by format; the names are those of YouTube's tracks and of file extensions."""

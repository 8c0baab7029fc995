"""Reading any caption file: which reader takes which format.

SubStation and MicroDVD are read by pysubs2. The other formats have readers of their own, because the data set needs
what general subtitle libraries leave out: the time of each word (json3, srv3, the time stamps in WebVTT), rolling boxes
undone (``rolling``), windows that outlast their stated duration (``windows``), the older namespaces of TTML (ttconv
reads only today's), one language of a SAMI file, and each unusable cue named instead of skipped or fatal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from assets.captions.cues import CaptionError, Captions
from assets.captions.json3 import read_json3
from assets.captions.published import read_mil_nce, read_release_json
from assets.captions.sami import read_sami
from assets.captions.subtitle_files import read_sub, read_substation
from assets.captions.timed_xml import read_srv1, read_srv3
from assets.captions.ttml import read_ttml
from assets.captions.webvtt import read_srt, read_vtt
from ml.machine import require_sound_machine

LARGEST_BYTES = 64_000_000
"""Caption files up to this size are read; a day of speech with word times takes about a tenth of it."""


def read_captions(data: bytes | Path, format: str | None = None) -> Captions:
    """The lines of a caption file and the cues of it that cannot be used.

    Args:
        data: a file, or its content.
        format: one of ``FORMATS``; by default the extension of the file.

    Raises:
        CaptionError: the file cannot be read, is too large, or is not of that format.
    """
    name = data.name if isinstance(data, Path) else f"{format} captions"
    format = format or (data.suffix.removeprefix(".").lower() if isinstance(data, Path) else "")
    if format not in FORMATS:
        raise CaptionError(f"{name}: no reader for the format {format!r}; there are {', '.join(FORMATS)}")
    try:
        content = _content(data) if isinstance(data, Path) else data
    except OSError as error:
        require_sound_machine(error)
        raise CaptionError(f"{name}: {error.strerror or error}") from error
    if len(content) > LARGEST_BYTES:
        raise CaptionError(f"{name}: larger than {LARGEST_BYTES // 1_000_000} MB; no caption file is as large")
    return FORMATS[format](content, name)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_BYTES + 1)


FORMATS: dict[str, Callable[[bytes, str], Captions]] = {
    "json3": read_json3,
    "srv3": read_srv3,
    "srv1": read_srv1,
    "vtt": read_vtt,
    "srt": read_srt,
    "sbv": read_srt,
    "ttml": read_ttml,
    "dfxp": read_ttml,
    "ass": read_substation,
    "ssa": read_substation,
    "smi": read_sami,
    "sami": read_sami,
    "sub": read_sub,
    "json": read_release_json,
    "csv": read_mil_nce,
}
"""Reader by format; the names are those of YouTube's tracks and of file extensions."""

"""Reading WebVTT files into caption lines.

Belongs here: the file format alone. What rolling windows mean is told in ``segments``.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from assets.sources.protocol import CaptionLine

_TIMING = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})\s+-->\s+(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})")
_TAG = re.compile(r"<[^>]*>")


class WebVTTError(Exception):
    """The file is not WebVTT; the message names the file and what is wrong."""


def read_webvtt(path: Path) -> list[CaptionLine]:
    """The cues of a WebVTT file in the file's order, tags removed, entities unescaped; cues without text are left out.

    Raises:
        WebVTTError: unreadable, not UTF-8, or without the WEBVTT header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WebVTTError(f"{path.name}: {error}") from error
    if not text.startswith("WEBVTT"):
        raise WebVTTError(f"{path.name}: does not start with WEBVTT" if text.strip() else f"{path.name}: empty file")
    lines = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        rows = block.split("\n")
        timing = next((i for i, row in enumerate(rows) if _TIMING.match(row.strip())), None)
        if timing is None:
            continue
        spoken = html.unescape(_TAG.sub("", " ".join(rows[timing + 1 :])))
        if spoken.split():
            start, end = _seconds(rows[timing].strip())
            lines.append(CaptionLine(start, end, " ".join(spoken.split())))
    return lines


def _seconds(timing: str) -> tuple[float, float]:
    match = _TIMING.match(timing)
    assert match is not None
    parts = [int(part or 0) for part in match.groups()]
    return tuple(h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (parts[:4], parts[4:]))  # type: ignore[return-value]

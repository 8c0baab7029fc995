"""YouTube's json3: timed events of timed segments; the one format of theirs with a time for every recognised word.

Belongs here: the file format alone. What rolling windows mean is told in ``segments``.
"""

from __future__ import annotations

import json
from typing import Any

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain, timed_words
from assets.outcomes import Problem

LONGEST_MS = 1e12
"""Times above this, some 30 years, are taken for damage."""


def read_json3(data: bytes, name: str) -> Captions:
    """The events with text; window records (no ``segs``) and line feeds (``aAppend``) have none.

    Raises:
        CaptionError: not JSON, or without a list ``events``.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CaptionError(f"{name}: not JSON ({error})") from error
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise CaptionError(f"{name}: not json3: no list 'events'")
    cues, problems = [], []
    for index, event in enumerate(events):
        where = f"event {index}"
        reason = _malformed(event)
        if reason:
            problems.append(Problem(f"{name}: {where}", reason))
        elif "segs" in event:
            cues.append(_cue(where, event))
    return captions(name, cues, problems)


def _malformed(event: Any) -> str | None:
    if not isinstance(event, dict):
        return f"is a JSON {type(event).__name__}, not an object"
    if "segs" not in event:
        return None
    if not _is_number(event.get("tStartMs")):
        return f"tStartMs is {event.get('tStartMs')!r}"
    if not _is_number(event.get("dDurationMs", 0)):
        return f"dDurationMs is {event['dDurationMs']!r}"
    segments = event["segs"]
    if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
        return "segs is not a list of objects"
    if not all(isinstance(segment.get("utf8", ""), str) for segment in segments):
        return "a segment's utf8 is not text"
    if not all(_is_number(segment.get("tOffsetMs", 0)) for segment in segments):
        return "a segment's tOffsetMs is not a number"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LONGEST_MS


def _cue(where: str, event: dict[str, Any]) -> Cue:
    start_ms = event["tStartMs"]
    end_s = (start_ms + event["dDurationMs"]) / 1000 if "dDurationMs" in event else None
    segments = event["segs"]
    # Only recognised speech has offsets or confidences; a manual line is one segment whose words have no times.
    if any("tOffsetMs" in segment or "acAsrConf" in segment for segment in segments):
        text, starts = timed_words(
            ((start_ms + segment.get("tOffsetMs", 0)) / 1000, segment.get("utf8", "")) for segment in segments
        )
        return Cue(where, start_ms / 1000, end_s, text, starts)
    return Cue(where, start_ms / 1000, end_s, plain("".join(segment.get("utf8", "") for segment in segments)))

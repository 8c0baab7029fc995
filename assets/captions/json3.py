"""YouTube's json3: timed events of timed segments; the one format of theirs with a time for every recognised word."""

from __future__ import annotations

from typing import Any

from assets.captions.cues import LONGEST_S, CaptionError, Captions, Cue, captions, plain, timed_words
from assets.captions.windows import Shown, kept_until_the_window_goes_on
from assets.outcomes import Problem
from assets.values import parse_json, shown


def read_json3(data: bytes, name: str) -> Captions:
    """The events with text; window records (no ``segs``) and line feeds (``aAppend``) have none.

    Raises:
        CaptionError: not JSON, or without a list ``events``.
    """
    try:
        document = parse_json(data)
    except ValueError as error:
        raise CaptionError(f"{name}: not JSON ({error})") from error
    listed = document.get("events") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise CaptionError(f"{name}: not json3: no list 'events'")
    cues, events, problems = [], [], []
    for index, event in enumerate(listed):
        where = f"event {index}"
        reason = _malformed(event)
        if reason:
            problems.append(Problem(f"{name}: {where}", reason))
        elif "segs" in event:
            window = event.get("wWinId") if isinstance(event.get("wWinId"), int | str) else None
            cues.append(Shown(_cue(where, event), window, _is_recognised(event)))
            events.append((window, event["tStartMs"] / 1000))
    return captions(name, kept_until_the_window_goes_on(cues, events), problems)


def _malformed(event: Any) -> str | None:
    if not isinstance(event, dict):
        return f"is {shown(event)}, not an object"
    if "segs" not in event:
        return None
    if not _is_time(event.get("tStartMs")):
        return f"tStartMs is {shown(event.get('tStartMs'))}"
    if not _is_time(event.get("dDurationMs", 0)):
        return f"dDurationMs is {shown(event['dDurationMs'])}"
    segments = event["segs"]
    if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
        return "segs is not a list of objects"
    if not all(isinstance(segment.get("utf8", ""), str) for segment in segments):
        return "a segment's utf8 is not text"
    if not all(_is_time(segment.get("tOffsetMs", 0)) for segment in segments):
        return "a segment's tOffsetMs is not a number"
    return None


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LONGEST_S * 1000


def _is_recognised(event: dict[str, Any]) -> bool:
    """Only recognised speech has offsets or confidences; a manual line is one segment whose words have no times."""
    return any("tOffsetMs" in segment or "acAsrConf" in segment for segment in event["segs"])


def _cue(where: str, event: dict[str, Any]) -> Cue:
    start_ms = event["tStartMs"]
    end_s = (start_ms + event["dDurationMs"]) / 1000 if "dDurationMs" in event else None
    segments = event["segs"]
    if _is_recognised(event):
        text, starts = timed_words(
            ((start_ms + segment.get("tOffsetMs", 0)) / 1000, segment.get("utf8", "")) for segment in segments
        )
        return Cue(where, start_ms / 1000, end_s, text, starts)
    return Cue(where, start_ms / 1000, end_s, plain("".join(segment.get("utf8", "") for segment in segments)))

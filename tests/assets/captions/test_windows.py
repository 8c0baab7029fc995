"""Recognised lines last until their window goes on; manual lines keep their duration."""

from __future__ import annotations

import json

import pytest

from assets.captions.readers import read_captions

RECOGNISED = {"acAsrConf": 0}


def json3(*events: tuple[int, int, int | None, str, dict]) -> bytes:
    """Events of (start, duration, window, text, what else is known of the segment)."""
    return json.dumps(
        {
            "events": [
                {"tStartMs": start, "dDurationMs": duration, "segs": [{"utf8": text} | more]}
                | ({} if window is None else {"wWinId": window})
                for start, duration, window, text, more in events
            ]
        }
    ).encode()


def srv3(*events: tuple[int, int, int | None, str, dict]) -> bytes:
    paragraphs = (
        f'<p t="{start}" d="{duration}"'
        + ("" if window is None else f' w="{window}"')
        + ">"
        + (f'<s ac="0">{text}</s></p>' if more else f"{text}</p>")
        for start, duration, window, text, more in events
    )
    return f"<timedtext><body>{''.join(paragraphs)}</body></timedtext>".encode()


def ends(data: bytes, format: str) -> list[float]:
    return [line.end_s for line in read_captions(data, format).lines]


@pytest.mark.parametrize(("format", "written"), [("json3", json3), ("srv3", srv3)])
def test_who_keeps_a_line(format: str, written: object) -> None:
    sentence = "roll the dough out as thin as you can before you cut it into strips"
    track = (
        (10_000, 3000, 1, sentence, RECOGNISED),
        (18_400, 10, 1, "\n", {}),
        (30_000, 3000, 1, "dry them", RECOGNISED),
        (31_000, 3000, 2, "in another window", RECOGNISED),
        (600_000, 3000, 1, "ten minutes later", RECOGNISED),
    )
    # A window goes on at its next event; one that stays open through a silence keeps a line for 15 s.
    assert ends(written(*track), format) == [18.4, 45.0, 34.0, 603.0]  # type: ignore[operator]
    manual = ((10_000, 3000, 1, sentence, {}), (18_400, 10, 1, "\n", {}), (30_000, 3000, 1, "dry them", {}))
    assert ends(written(*manual), format) == [13.0, 33.0]  # type: ignore[operator]
    unnamed = ((10_000, 3000, None, sentence, RECOGNISED), (30_000, 3000, None, "dry them", RECOGNISED))
    assert ends(written(*unnamed), format) == [13.0, 33.0]  # type: ignore[operator]


def test_an_event_that_is_sent_twice_is_one_line() -> None:
    again = json3((0, 900, 1, "tie it", RECOGNISED), (0, 1000, 1, "tie it", RECOGNISED), (0, 900, 1, "firmly", {}))
    assert [(line.text, line.end_s, len(line.words)) for line in read_captions(again, "json3").lines] == [
        ("tie it", 1.0, 2),
        ("firmly", 0.9, 0),
    ]

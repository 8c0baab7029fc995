"""One recognised track in each form in which YouTube gives it: what the readers are held against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from xml.sax.saxutils import escape as xml


@dataclass(frozen=True)
class Said:
    """A line of recognised speech: when it appears, how long it stays on screen, and (offset, word) in milliseconds."""

    start_ms: int
    duration_ms: int
    words: tuple[tuple[int, str], ...]

    @property
    def text(self) -> str:
        return " ".join(word for _, word in self.words)


def windows(track: list[Said]) -> list[int]:
    """When the window of each line goes on: when the line is gone, or 10 ms before the next one starts."""
    before_next = [line.start_ms - 10 for line in track[1:]]
    return [
        min(line.start_ms + line.duration_ms, *latest)
        for line, *latest in zip(track, [*before_next, track[-1].start_ms + track[-1].duration_ms], strict=True)
    ]


def json3(track: list[Said]) -> bytes:
    events: list[dict] = [{"tStartMs": 0, "dDurationMs": 3_600_000, "id": 1, "wpWinPosId": 1, "wsWinStyleId": 1}]
    for line, goes_on_ms in zip(track, windows(track), strict=True):
        segments = [
            {"utf8": (" " if i else "") + escape(word), "acAsrConf": 0} | ({"tOffsetMs": offset} if i else {})
            for i, (offset, word) in enumerate(line.words)
        ]
        events.append({"tStartMs": line.start_ms, "dDurationMs": line.duration_ms, "wWinId": 1, "segs": segments})
        append = {"tStartMs": goes_on_ms, "dDurationMs": 10, "wWinId": 1, "aAppend": 1}
        events.append(append | {"segs": [{"utf8": "\n"}]})
    return json.dumps({"wireMagic": "pb3", "events": events}).encode()


def srv1(track: list[Said]) -> bytes:
    texts = "".join(
        f'<text start="{line.start_ms / 1000:g}" dur="{line.duration_ms / 1000:g}">{xml(escape(line.text))}</text>'
        for line in track
    )
    return f'<?xml version="1.0" encoding="utf-8" ?><transcript>{texts}</transcript>'.encode()


def srv3(track: list[Said]) -> bytes:
    paragraphs = []
    for line, goes_on_ms in zip(track, windows(track), strict=True):
        words = "".join(
            f'<s t="{offset}" ac="0">{" " if i else ""}{xml(word)}</s>' for i, (offset, word) in enumerate(line.words)
        )
        paragraphs.append(f'<p t="{line.start_ms}" d="{line.duration_ms}" w="1">{words}</p>')
        paragraphs.append(f'<p t="{goes_on_ms}" d="10" w="1" a="1">\n</p>')
    return f'<?xml version="1.0"?><timedtext format="3"><body>{"".join(paragraphs)}</body></timedtext>'.encode()


def clock(milliseconds: int, point: str = ".") -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{thousandths:03}"


def boxes(track: list[Said]) -> list[tuple[int, int, str, Said | None]]:
    """The rolling box: (from, to, upper row, line in the lower row); a box of 10 ms lets the lower row move up.

    A line that is gone before the next one starts leaves an empty box.
    """
    shown: list[tuple[int, int, str, Said | None]] = []
    for line, after in zip(track, [*track[1:], None], strict=True):
        above = shown[-1][2] if shown and shown[-1][1] == line.start_ms else ""
        gone = line.start_ms + line.duration_ms
        if after is None or gone < after.start_ms:
            shown.append((line.start_ms, gone, above, line))
        else:
            shown.append((line.start_ms, after.start_ms - 10, above, line))
            shown.append((after.start_ms - 10, after.start_ms, line.text, None))
    return shown


def vtt(track: list[Said]) -> bytes:
    cues = []
    for start, end, above, line in boxes(track):
        below = " "
        if line is not None:
            (_, first), *others = line.words
            tagged = "".join(f"<{clock(line.start_ms + offset)}><c> {escape(word)}</c>" for offset, word in others)
            below = escape(first) + tagged
        cues.append(f"{clock(start)} --> {clock(end)} align:start position:0%\n{escape(above) or ' '}\n{below}\n")
    return ("WEBVTT\nKind: captions\nLanguage: en\n\n" + "\n".join(cues)).encode()


def srt(track: list[Said]) -> bytes:
    cues = []
    for number, (start, end, above, line) in enumerate(boxes(track), start=1):
        rows = [row for row in (escape(above), escape(line.text) if line is not None else "") if row]
        cues.append(f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n" + "\n".join(rows) + "\n")
    return "\n".join(cues).encode()


def ttml(track: list[Said]) -> bytes:
    paragraphs = "".join(
        f'<p begin="{clock(line.start_ms)}" end="{clock(line.start_ms + line.duration_ms)}">{xml(line.text)}</p>'
        for line in track
    )
    return f'<tt xmlns="http://www.w3.org/ns/ttml"><body><div>{paragraphs}</div></body></tt>'.encode()

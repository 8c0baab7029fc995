"""TTML, also called DFXP, in every version of its namespace: W3C Timed Text Markup Language, sections 6.2 and 10.3.

Rates are read from the document's own parameters. Times may be on ``body``, ``div``, ``p`` and ``span``, each relative
to what contains it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain
from assets.captions.timed_xml import local_name, root_of
from assets.outcomes import Problem
from assets.values import shown

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_CLOCK = re.compile(r"(?:(\d{1,9}):)?([0-5]?\d):([0-5]?\d)(?:[.,](\d{1,12})|:(\d{1,4})(?:\.(\d{1,4}))?)?")
_OFFSET = re.compile(r"(\d{1,12})(?:[.,](\d{1,12}))?(h|ms|m|s|f|t)?")
_TIMED = ("body", "div", "p", "span")


def read_ttml(data: bytes, name: str) -> Captions:
    """The texts of the ``p`` elements; a ``span`` with times of its own is a cue of its own.

    Raises:
        CaptionError: not XML of this form, or with rates that are no rates.
    """
    root = root_of(data, name, "tt")
    try:
        clock = _Clock.of(root)
    except (ValueError, ArithmeticError) as error:
        raise CaptionError(f"{name}: its rates or the times of its parts are broken ({error})") from error
    reader = _Reader(name, clock)
    for child in root:
        reader.read(child, _Window(Fraction(0), None, False))
    return captions(name, reader.cues, reader.problems)


@dataclass(frozen=True)
class _Window:
    """When an element is shown: seconds on the clock of the document; ``timed`` if it or what contains it says so."""

    begin: Fraction
    end: Fraction | None
    timed: bool


class _Reader:
    """Walks through a document and collects its cues."""

    def __init__(self, name: str, clock: _Clock) -> None:
        self.name = name
        self.clock = clock
        self.cues: list[Cue] = []
        self.problems: list[Problem] = []
        self.paragraphs = -1

    def read(self, element: Element, parent: _Window) -> _Window:
        """Collect the cues of an element; when it is shown."""
        tag = local_name(element)
        if tag not in _TIMED:
            return parent
        if tag == "p":
            self.paragraphs += 1
        where = f"<p> {self.paragraphs}" if tag in ("p", "span") else f"<{tag}> after <p> {self.paragraphs}"
        try:
            window = self._window(element, parent)
            if tag in ("p", "span"):
                self._cue(where, element, window)
        except (ValueError, ArithmeticError) as error:
            aside = "" if tag in ("p", "span") else "; what is in it is set aside"
            self.problems.append(Problem(f"{self.name}: {where}", f"{error}{aside}"))
            return parent
        at = window
        for child in self._timed_children(element):
            shown_at = self.read(child, at)
            if element.get("timeContainer") == "seq" and shown_at.end is not None:
                at = replace(window, begin=shown_at.end)
        return window

    def _window(self, element: Element, parent: _Window) -> _Window:
        begin, end, duration = (element.get(key) for key in ("begin", "end", "dur"))
        start = parent.begin + (self.clock.seconds(begin) if begin is not None else 0)
        ends = [] if parent.end is None else [parent.end]
        ends += [] if end is None else [parent.begin + self.clock.seconds(end)]
        ends += [] if duration is None else [start + self.clock.seconds(duration)]
        timed = parent.timed or begin is not None or end is not None or duration is not None
        return _Window(start, min(ends, default=None), timed)

    def _cue(self, where: str, element: Element, window: _Window) -> None:
        text = plain("".join(_text(element)))
        if text and not window.timed:
            self.problems.append(Problem(f"{self.name}: {where}", f"has no begin: {text[:80]}"))
        elif text:
            self.cues.append(Cue(where, float(window.begin), None if window.end is None else float(window.end), text))

    def _timed_children(self, element: Element) -> Iterator[Element]:
        """The elements inside that are cues or hold cues; of a text, the spans with times, however deep they are."""
        if local_name(element) not in ("p", "span"):
            yield from element
            return
        for child in _spans(element):
            if _has_times(child):
                yield child
            else:
                yield from self._timed_children(child)


def _spans(element: Element) -> Iterator[Element]:
    return (child for child in element if local_name(child) == "span")


def _has_times(element: Element) -> bool:
    return any(element.get(key) is not None for key in ("begin", "end", "dur"))


def _text(element: Element) -> Iterator[str]:
    """Text of an element and of the spans in it without times; a line break is a blank, metadata is no text."""
    yield element.text or ""
    for child in element:
        if local_name(child) == "br":
            yield " "
        elif local_name(child) == "span" and not _has_times(child):
            yield from _text(child)
        yield child.tail or ""


@dataclass(frozen=True)
class _Clock:
    """Time expressions and the rates that they depend on.

    ``hh:mm:ss.fraction``, ``hh:mm:ss:frames.subframes``, ``1.5s``, ``500ms``, ``12f``, ``90t``; also what players and
    yt-dlp read: times without hours, with a decimal comma, and a bare number of seconds.
    """

    nominal_rate: Fraction
    """Frames per second as they are counted."""
    frame_rate: Fraction
    """Frames per second as they are shown."""
    sub_frames: Fraction
    tick_rate: Fraction
    smpte: bool
    """True if the clock counts frames (SMPTE time codes), false if it is media time."""
    drop_mode: str

    @classmethod
    def of(cls, root: Element) -> _Clock:
        """The clock of a document; without a tick rate, a tick is a subframe, or a second where no frames are used."""
        found = {}
        for key, value in root.attrib.items():
            namespace, _, local = key.rpartition("}")
            if not namespace or namespace.endswith("#parameter"):
                found[local] = value
        multiplier = found.get("frameRateMultiplier", "1 1").replace(":", " ").split()
        nominal, sub_frames = _rate(found.get("frameRate", "30")), _rate(found.get("subFrameRate", "1"))
        default_ticks = str(nominal * sub_frames) if "frameRate" in found else "1"
        return cls(
            nominal,
            nominal * _rate("/".join(multiplier)),
            sub_frames,
            _rate(found.get("tickRate", default_ticks)),
            found.get("timeBase") == "smpte",
            found.get("dropMode", "nonDrop"),
        )

    def seconds(self, expression: str) -> Fraction:
        """Seconds of a time expression.

        Raises:
            ValueError: not a time expression.
        """
        if match := _CLOCK.fullmatch(expression.strip()):
            hours, minutes, seconds, fraction, frames, sub_frames = match.groups()
            counted = Fraction(int(frames or 0)) + Fraction(int(sub_frames or 0)) / self.sub_frames
            whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
            if self.smpte:
                counted += whole * self.nominal_rate - self._dropped(int(hours or 0), int(minutes))
                return counted / self.frame_rate + Fraction(f"0.{fraction or 0}")
            return whole + Fraction(f"0.{fraction or 0}") + counted / self.frame_rate
        if match := _OFFSET.fullmatch(expression.strip()):
            units = {
                "h": Fraction(3600),
                "m": Fraction(60),
                None: Fraction(1),
                "s": Fraction(1),
                "ms": Fraction(1, 1000),
                "f": 1 / self.frame_rate,
                "t": 1 / self.tick_rate,
            }
            return Fraction(f"{match[1]}.{match[2] or 0}") * units[match[3]]
        raise ValueError(f"{shown(expression)} is not a time")

    def _dropped(self, hours: int, minutes: int) -> int:
        """Frame numbers that a time code has left out by then."""
        if self.drop_mode == "dropNTSC":
            return 2 * (54 * hours + minutes - minutes // 10)
        if self.drop_mode == "dropPAL":
            return 4 * (27 * hours + minutes // 2 - minutes // 20)
        return 0


def _rate(text: str) -> Fraction:
    rate = Fraction(text.strip()[:40])
    if rate <= 0:
        raise ValueError(f"{shown(text)} is no rate")
    return rate

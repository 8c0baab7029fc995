"""Timed text in XML: YouTube's srv1 and srv3, and TTML.

Belongs here: the file formats alone. What rolling windows mean is told in ``segments``. Entity declarations, external
ones and those that grow, are refused by the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain, timed_words
from assets.outcomes import Problem

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_CLOCK = re.compile(r"(\d+):([0-5]?\d):([0-5]?\d)(?:\.(\d+)|:(\d+))?")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)")
_PARAMETERS = "{http://www.w3.org/ns/ttml#parameter}"


def read_srv1(data: bytes, name: str) -> Captions:
    """``<transcript><text start="s" dur="s">``; the text is escaped twice.

    Raises:
        CaptionError: not XML of this form.
    """
    texts = _root(data, name, "transcript").iter("text")
    return _read(name, texts, lambda where, e: _srv1_cue(where, e))


def read_srv3(data: bytes, name: str) -> Captions:
    """``<timedtext><body><p t="ms" d="ms"><s t="ms">``; words have times where the ``s`` elements have.

    Raises:
        CaptionError: not XML of this form.
    """
    return _read(name, _root(data, name, "timedtext").iter("p"), _srv3_cue)


def read_ttml(data: bytes, name: str) -> Captions:
    """The ``p`` elements of a TTML document, their times relative to those of ``body`` and ``div`` around them.

    Raises:
        CaptionError: not XML of this form.
    """
    root = _root(data, name, "tt")
    try:
        clock = _TtmlClock(root)
        offsets = dict(_paragraphs(root, Fraction(0), clock.seconds))
    except (ValueError, ArithmeticError) as error:
        raise CaptionError(f"{name}: its rates or the times of its parts are broken ({error})") from error
    return _read(name, offsets, lambda where, p: _ttml_cue(where, p, offsets[p], clock.seconds))


def _root(data: bytes, name: str, tag: str) -> Element:
    try:
        root: Element = fromstring(data)
    except DefusedXmlException as error:
        raise CaptionError(f"{name}: refused: declares entities ({error})") from error
    except (ParseError, ValueError, LookupError) as error:
        raise CaptionError(f"{name}: not XML ({error})" if data.strip() else f"{name}: empty file") from error
    if _local(root) != tag:
        raise CaptionError(f"{name}: its root element is <{_local(root)}>, not <{tag}>")
    return root


def _read(
    name: str, elements: Iterator[Element] | dict[Element, Fraction], read: Callable[[str, Element], Cue]
) -> Captions:
    cues, problems = [], []
    for index, element in enumerate(elements):
        where = f"<{_local(element)}> {index}"
        try:
            cues.append(read(where, element))
        except (ValueError, ArithmeticError) as error:
            problems.append(Problem(f"{name}: {where}", str(error)))
    return captions(name, cues, problems)


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _number(element: Element, attribute: str, default: str | None = None) -> Decimal:
    value = element.get(attribute, default)
    try:
        return Decimal(value or "")
    except InvalidOperation:
        raise ValueError(f"{attribute} is {value!r}, not a number") from None


def _srv1_cue(where: str, element: Element) -> Cue:
    start = _number(element, "start")
    end = start + _number(element, "dur", "0")
    return Cue(where, float(start), float(end), plain("".join(element.itertext())))


def _srv3_cue(where: str, element: Element) -> Cue:
    start = _number(element, "t")
    end = start + _number(element, "d", "0")
    spans = [child for child in element if _local(child) == "s"]
    if not any(span.get("t") or span.get("ac") for span in spans):
        return Cue(where, float(start / 1000), float(end / 1000), plain("".join(element.itertext())))
    parts = [(float(start / 1000), element.text or "")]
    for span in spans:
        span_start = float((start + _number(span, "t", "0")) / 1000)
        parts += [(span_start, "".join(span.itertext())), (span_start, span.tail or "")]
    text, starts = timed_words(parts)
    return Cue(where, float(start / 1000), float(end / 1000), text, starts)


def _paragraphs(
    element: Element, offset: Fraction, seconds: Callable[[str], Fraction]
) -> Iterator[tuple[Element, Fraction]]:
    """Each ``p`` with the start of what contains it."""
    for child in element:
        if _local(child) == "p":
            yield child, offset
        elif _local(child) in ("body", "div"):
            yield from _paragraphs(child, offset + seconds(child.get("begin", "0s")), seconds)


def _ttml_cue(where: str, p: Element, offset: Fraction, seconds: Callable[[str], Fraction]) -> Cue:
    begin = p.get("begin")
    if begin is None:
        raise ValueError("has no begin")
    start = offset + seconds(begin)
    end, duration = p.get("end"), p.get("dur")
    if end is not None:
        stop: Fraction | None = offset + seconds(end)
    else:
        stop = None if duration is None else start + seconds(duration)
    return Cue(where, float(start), None if stop is None else float(stop), plain("".join(_ttml_text(p))))


def _ttml_text(element: Element) -> Iterator[str]:
    """Text of an element and of the spans in it; a line break is a blank, metadata is none."""
    yield element.text or ""
    for child in element:
        if _local(child) == "br":
            yield " "
        elif _local(child) == "span":
            yield from _ttml_text(child)
        yield child.tail or ""


class _TtmlClock:
    """Time expressions of TTML: ``hh:mm:ss.fraction``, ``hh:mm:ss:frames``, ``1.5s``, ``500ms``, ``12f``, ``90t``."""

    def __init__(self, root: Element) -> None:
        multiplier = root.get(f"{_PARAMETERS}frameRateMultiplier", "1 1").split()
        self.frames_a_second = Fraction(root.get(f"{_PARAMETERS}frameRate", "30")) * Fraction("/".join(multiplier))
        self.ticks_a_second = Fraction(root.get(f"{_PARAMETERS}tickRate", "1"))

    def seconds(self, expression: str) -> Fraction:
        """Seconds of a time expression.

        Raises:
            ValueError: not a time expression.
        """
        expression = expression.strip()
        if match := _CLOCK.fullmatch(expression):
            hours, minutes, seconds, fraction, frames = match.groups()
            whole = Fraction((int(hours) * 60 + int(minutes)) * 60 + int(seconds))
            return whole + Fraction(f"0.{fraction or 0}") + Fraction(int(frames or 0)) / self.frames_a_second
        if match := _OFFSET.fullmatch(expression):
            units = {
                "h": Fraction(3600),
                "m": Fraction(60),
                "s": Fraction(1),
                "ms": Fraction(1, 1000),
                "f": 1 / self.frames_a_second,
                "t": 1 / self.ticks_a_second,
            }
            return Fraction(match[1]) * units[match[2]]
        raise ValueError(f"{expression!r} is not a time")

"""Captions in XML: reading a document safely, and YouTube's srv1 and srv3. See ``ttml`` for the standard's format.

The parser refuses entity declarations: external ones, and those that grow.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain, timed_words
from assets.captions.windows import Shown, kept_until_the_window_goes_on
from assets.outcomes import Problem
from assets.values import shown

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


DEEPEST = 50
"""How deeply the elements of a document may be nested."""


def read_srv1(data: bytes, name: str) -> Captions:
    """``<transcript><text start="s" dur="s">``; the text is escaped twice.

    Raises:
        CaptionError: not XML of this form.
    """
    cues, problems = [], []
    for where, element in numbered(root_of(data, name, "transcript").iter("text")):
        try:
            cues.append(_srv1_cue(where, element))
        except (ValueError, ArithmeticError) as error:
            problems.append(Problem(f"{name}: {where}", str(error)))
    return captions(name, cues, problems)


def read_srv3(data: bytes, name: str) -> Captions:
    """``<timedtext><body><p t="ms" d="ms" w="window"><s t="ms">``; words have times where the ``s`` elements have.

    Raises:
        CaptionError: not XML of this form.
    """
    cues, events, problems = [], [], []
    for where, element in numbered(root_of(data, name, "timedtext").iter("p")):
        try:
            cue = _srv3_cue(where, element)
        except (ValueError, ArithmeticError) as error:
            problems.append(Problem(f"{name}: {where}", str(error)))
            continue
        cues.append(Shown(cue, element.get("w"), _is_recognised(element)))
        events.append((element.get("w"), cue.start_s))
    return captions(name, kept_until_the_window_goes_on(cues, events), problems)


def root_of(data: bytes, name: str, tag: str) -> Element:
    """The root element of an XML document.

    Raises:
        CaptionError: not XML, it declares entities, is nested too deeply, or its root is another element than ``tag``.
    """
    try:
        root: Element = fromstring(data)
    except DefusedXmlException as error:
        raise CaptionError(f"{name}: refused: declares entities ({error})") from error
    except (ParseError, ValueError, LookupError) as error:
        raise CaptionError(f"{name}: not XML ({error})" if data.strip() else f"{name}: empty file") from error
    if local_name(root) != tag:
        raise CaptionError(f"{name}: its root element is <{local_name(root)[:80]}>, not <{tag}>")
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return root
    raise CaptionError(f"{name}: its elements are nested more than {DEEPEST} deep")


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def numbered(elements: Iterable[Element]) -> Iterable[tuple[str, Element]]:
    """Each element with the name by which problems refer to it."""
    return ((f"<{local_name(element)}> {index}", element) for index, element in enumerate(elements))


def _number(element: Element, attribute: str, default: str | None = None) -> Decimal:
    value = element.get(attribute, default)
    try:
        return Decimal(value or "")
    except InvalidOperation:
        raise ValueError(f"{attribute} is {shown(value)}, not a number") from None


def _srv1_cue(where: str, element: Element) -> Cue:
    start = _number(element, "start")
    duration = element.get("dur")
    end = None if duration is None else float(start + _number(element, "dur"))
    return Cue(where, float(start), end, plain("".join(element.itertext())))


def _srv3_cue(where: str, element: Element) -> Cue:
    start = _number(element, "t")
    end = start + _number(element, "d", "0")
    if not _is_recognised(element):
        return Cue(where, float(start / 1000), float(end / 1000), plain("".join(element.itertext())))
    parts = [(float(start / 1000), element.text or "")]
    for span in _spans(element):
        span_start = float((start + _number(span, "t", "0")) / 1000)
        parts += [(span_start, "".join(span.itertext())), (span_start, span.tail or "")]
    text, starts = timed_words(parts)
    return Cue(where, float(start / 1000), float(end / 1000), text, starts)


def _spans(element: Element) -> list[Element]:
    return [child for child in element if local_name(child) == "s"]


def _is_recognised(element: Element) -> bool:
    """Only the words of recognised speech have offsets or confidences."""
    return any(span.get("t") or span.get("ac") for span in _spans(element))

"""What a card is made of, whichever form it is written in. Belongs here: the kinds of blocks; no facts, no HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A paragraph. ``strong``: it has to be seen."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Figures:
    """Headline numbers: ``(number, what it counts, what stands beside it)``."""

    items: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Table:
    """Rows of text below a header; every column but the first is read as numbers and stands right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """One bar a row, ``(label, length, what is written beside it)``; lengths are compared within the block."""

    title: str
    rows: Sequence[tuple[str, float, str]]

    @property
    def longest(self) -> float:
        return max((length for _, length, _ in self.rows), default=0.0) or 1.0


@dataclass(frozen=True)
class TreeMap:
    """Areas by size: ``(group, part, size)``, groups side by side, their parts inside them."""

    title: str
    unit: str
    rows: Sequence[tuple[str, str, float]]


@dataclass(frozen=True)
class SampleClip:
    """A clip to be looked at: JPEG ``frames``, or why there are none."""

    video_id: str
    title: str
    category: str
    start_s: float
    end_s: float
    caption: str
    frames: Sequence[bytes]
    problem: str = ""


@dataclass(frozen=True)
class Samples:
    """Some clips."""

    clips: Sequence[SampleClip]


Block = Text | Figures | Table | Bars | TreeMap | Samples
KINDS = (Text, Figures, Table, Bars, TreeMap, Samples)
"""What a block may be; templates ask for each by its name in lower case."""


@dataclass(frozen=True)
class Section:
    """A chapter of the card; ``anchor`` is its address within the page."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Card:
    """A whole card: its title, what it is in a sentence, whether it tells of generated data, and its chapters."""

    title: str
    summary: str
    synthetic: bool
    snapshot: int
    sections: Sequence[Section]


def number(value: float | int | None) -> str:
    """A number for people: thousands apart, at most three digits after the point; – is unknown."""
    if value is None or math.isnan(value):
        return "–"
    if float(value).is_integer():
        return f"{int(value):,}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".")


def share(value: float | None) -> str:
    """A share of 1 in percent; – is unknown."""
    return "–" if value is None else f"{100 * value:.1f} %"

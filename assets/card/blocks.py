"""The blocks that a card consists of, independent of HTML and Markdown, and how numbers are formatted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A paragraph, emphasized if ``strong``."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Figures:
    """Headline numbers: ``(number, what it counts, qualification)``."""

    items: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Table:
    """Rows of text under a header. The first column is left-aligned text, all others are right-aligned numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, one per row of ``(label, length, text after the bar)``; lengths are relative to the longest."""

    title: str
    rows: Sequence[tuple[str, float, str]]

    @property
    def longest(self) -> float:
        return max((length for _, length, _ in self.rows), default=0.0) or 1.0


@dataclass(frozen=True)
class TreeMap:
    """Areas proportional to ``(group, part, size)``; the parts of a group are adjacent."""

    title: str
    unit: str
    rows: Sequence[tuple[str, str, float]]


@dataclass(frozen=True)
class SampleClip:
    """A clip with its JPEG ``frames``, or the ``problem`` for which it has none."""

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
    """Sample clips."""

    clips: Sequence[SampleClip]


@dataclass(frozen=True)
class Code:
    """Text to copy, such as a program or a BibTeX entry."""

    title: str
    language: str
    text: str


@dataclass(frozen=True)
class TableSchema:
    """A table of the lake: its description, number of rows, and columns ``(name, type, meaning)``."""

    name: str
    description: str
    rows: int
    columns: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Schema:
    """The tables of the lake; those named in ``main`` are shown in full in every format."""

    tables: Sequence[TableSchema]
    main: Sequence[str] = ()


Block = Text | Figures | Table | Bars | TreeMap | Samples | Code | Schema
KINDS = (Text, Figures, Table, Bars, TreeMap, Samples, Code, Schema)
"""All kinds of blocks; templates test for each by its name in lower case."""


@dataclass(frozen=True)
class Section:
    """A section of the card; ``anchor`` is its fragment identifier in the page."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Card:
    """A card: title, one-sentence summary, whether the data set has synthetic videos, snapshot, and sections."""

    title: str
    summary: str
    synthetic: bool
    snapshot: int
    sections: Sequence[Section]


def number(value: float | int | None) -> str:
    """A number with thousands separators and at most three decimals; – if unknown."""
    if value is None or math.isnan(value):
        return "–"
    if float(value).is_integer():
        return f"{int(value):,}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".")


def share(value: float | None) -> str:
    """A share of 1 as a percentage; – if unknown."""
    return "–" if value is None else f"{100 * value:.1f} %"

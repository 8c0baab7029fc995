"""Clips that end where shots end: a caption is split at the changes of shot within it, by the times of its words.

See ``assets/features/frames`` for the shots.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import polars as pl
from pydantic import Field

from assets.captions.sentences import words_of_line
from assets.features.frames.borders import SHOTS, Borders, borders_of_shard, stretches
from assets.lake import Lake
from assets.options import Options, Variable

LEAST_S = 1.0
"""Seconds below which a piece of a caption is no clip; the times of words are not known better."""

_LETTER = re.compile(r"\w")


@dataclass(frozen=True)
class ShotBorders(Options):
    """Whether clips end where shots end. If so, they are made from the table ``shots``, too."""

    group: ClassVar = "Captions"
    counts_where_set: ClassVar = True

    split_at_cuts: Annotated[
        bool,
        Variable("split_at_cuts"),
        Field(description="end clips, and where possible HERO's clips, at the cuts, dissolves and fades of the video"),
    ] = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The table of shots, where it is used."""
        return (SHOTS,) if self.split_at_cuts else ()

    def of_shard(self, lake: Lake, shard: str) -> Borders:
        """The changes of shot of the videos of a shard; none where clips do not end at them."""
        return borders_of_shard(lake, shard) if self.split_at_cuts else {}


def split_at_borders(clips: pl.DataFrame, borders: Borders) -> pl.DataFrame:
    """The clips in pieces that cross no border.

    A piece has the words that begin in it; a piece without words is no clip. The words of a piece shorter than
    ``LEAST_S`` go to the piece before it, or to the first that is longer.

    Args:
        clips: video_id, start_s, end_s, text, word_starts_s and other columns.
    """
    rows = [piece for row in clips.iter_rows(named=True) for piece in _pieces(row, borders.get(row["video_id"], ()))]
    return pl.DataFrame(rows, schema=clips.schema)


def _pieces(row: dict[str, Any], borders: Sequence[float]) -> Iterator[dict[str, Any]]:
    pieces = stretches(row["start_s"], row["end_s"], borders)
    if len(pieces) == 1:
        yield row
        return
    long = [each for each in pieces if each[1] - each[0] >= LEAST_S] or [
        max(pieces, key=lambda each: each[1] - each[0])
    ]
    words = words_of_line(row["start_s"], row["end_s"], row["text"], row["word_starts_s"])
    firsts = [first for first, _ in long]
    owners = [max(bisect_right(firsts, word.start_s) - 1, 0) for word in words]
    for number, (first, last) in enumerate(long):
        own = [word for word, owner in zip(words, owners, strict=True) if owner == number]
        if any(_LETTER.search(word.text) for word in own):
            timed = all(word.known and first <= word.start_s < last for word in own)
            starts = [word.start_s for word in own] if timed else None
            text = " ".join(word.text for word in own)
            yield {**row, "start_s": first, "end_s": last, "text": text, "word_starts_s": starts}

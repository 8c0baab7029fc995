"""Undoing the rolling two-line box in which WebVTT and SRT files show recognised speech.

Such a file shows every line twice: below while it is spoken, above while the next one is, with a cue of 10 ms between
that settles the box. Belongs here: telling each line once. Formats that are not shown in a box do not come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from assets.captions.cues import Cue

LONGEST_SETTLING_S = 0.05
"""Files in the wild settle in 10 ms; no spoken cue is as short as this."""


@dataclass(frozen=True)
class Box:
    """What a cue shows: ``rows`` from top to bottom, those without words too, as cues of the same window."""

    start_s: float
    end_s: float
    rows: tuple[Cue, ...]


def rolls(boxes: Sequence[Box]) -> bool:
    """True if some cue does nothing but settle what the one before it showed."""
    return any(
        _follows(before, after)
        and after.end_s - after.start_s <= LONGEST_SETTLING_S
        and (texts := {row.text for row in after.rows if row.text})
        and texts <= {row.text for row in before.rows}
        for before, after in pairwise(boxes)
    )


def unrolled(boxes: Sequence[Box]) -> list[Cue]:
    """Each line once, from when it appears to when it is last seen; a line said twice is told twice.

    The rows that a box took over are the longest run at its top that stood at the bottom of the box before.
    """
    lines: list[Cue] = []
    seen: list[int] = []  # which line stands in each row of the last box
    last: Box | None = None
    for box in boxes:
        taken = 0
        if last is not None and _follows(last, box):
            before, now = [lines[index].text for index in seen], [row.text for row in box.rows]
            taken = max(n for n in range(min(len(before), len(now)) + 1) if before[len(before) - n :] == now[:n])
        kept = seen[len(seen) - taken :]
        for index in kept:
            lines[index] = replace(lines[index], end_s=box.end_s)
        fresh = [row for row in box.rows[taken:] if row.text]
        seen = [*kept, *range(len(lines), len(lines) + len(fresh))]
        lines.extend(fresh)
        last = box
    return lines


def _follows(before: Box, after: Box) -> bool:
    """True if the box stays on screen from one cue to the next; times are written in milliseconds."""
    return abs(after.start_s - before.end_s) < 0.0005

"""Undoing the rolling box in which WebVTT and SubRip files show recognised speech, so that each line is read once.

Such a file shows every line several times: at the bottom of the box while it is spoken, higher up while the next ones
are, with a cue between that lets the box settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from assets.captions.cues import Cue

SHORTEST_SPOKEN_S = 0.05
"""No spoken cue is as short as this: YouTube's boxes settle in 10 ms."""
MOST_ROWS = 15
"""Rows of a box; YouTube's have two or three, and no screen has more than 15."""


@dataclass(frozen=True)
class Box:
    """What a cue shows: ``rows`` from top to bottom, those without words too, as cues of the same window."""

    start_s: float
    end_s: float
    rows: tuple[Cue, ...]

    @property
    def texts(self) -> list[str]:
        """The rows that have words."""
        return [row.text for row in self.rows if row.text]


def rolls(boxes: Sequence[Box]) -> bool:
    """True if rows are taken over from one cue to the next again and again, as no caption written by people does.

    A box scrolls if it takes over the lowest rows of the box before and adds rows below them; it settles if it takes
    over rows and adds none. Repeated lines of manual captions look like boxes that settle, so that at least one box
    must scroll, and half of the cues that follow each other without a gap must scroll or settle. A cue that only
    repeats rows is enough by itself if it is too short to be spoken, or if its rows have lost the times of their words.
    """
    following = scrolled = settled = 0
    for before, after in pairwise(boxes):
        if not _follows(before, after):
            continue
        following += 1
        taken, fresh = _taken_over(before.texts, after.texts)
        if fresh:
            scrolled += taken > 0
        elif after.texts and set(after.texts) <= set(before.texts):
            if after.end_s - after.start_s <= SHORTEST_SPOKEN_S or _lost_word_times(before, after):
                return True
            settled += 1
    return scrolled > 0 and scrolled + settled > 1 and 2 * (scrolled + settled) >= following


def unrolled(boxes: Sequence[Box]) -> list[Cue]:
    """Each line once, from when it appears to when it is last seen; a line that is said twice is there twice.

    The rows that a box took over are the longest run at its top that was at the bottom of the box before.
    """
    lines: list[Cue] = []
    seen: list[int] = []  # which line is in each row of the last box
    last: Box | None = None
    for box in boxes:
        rows = [row for row in box.rows if row.text]
        taken = 0
        if last is not None and _follows(last, box):
            taken, _ = _taken_over([lines[index].text for index in seen], [row.text for row in rows])
        kept = seen[len(seen) - taken :]
        for index in kept:
            lines[index] = replace(lines[index], end_s=box.end_s)
        seen = [*kept, *range(len(lines), len(lines) + len(rows) - taken)]
        lines.extend(rows[taken:])
        last = box
    return lines


def _lost_word_times(before: Box, after: Box) -> bool:
    """True if rows that had word times are shown again without them: the line is no longer being spoken."""
    timed = {row.text for row in before.rows if row.word_starts_s}
    return any(row.text in timed and not row.word_starts_s for row in after.rows)


def _taken_over(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many rows at the top of ``after`` were at the bottom of ``before``, and how many are new below them."""
    most = min(len(before), len(after), MOST_ROWS)
    taken = max(n for n in range(most + 1) if list(before[len(before) - n :]) == list(after[:n]))
    return taken, len(after) - taken


def _follows(before: Box, after: Box) -> bool:
    """True if the box stays on screen from one cue to the next; times are written in milliseconds."""
    return before.start_s < after.start_s <= before.end_s + 0.002

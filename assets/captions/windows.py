"""How long a line of recognised speech is shown: until its window goes on, whatever duration the file gives it.

YouTube's json3 and srv3 name the window of each line. The durations of some recognised tracks are placeholders, about
3 s for every line, and players keep such a line until the next event of its window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from assets.captions.cues import Cue

LONGEST_KEPT_S = 15.0
"""Seconds for which a line is kept at most, or as many as it has words: a window may stay open through a silence."""


@dataclass(frozen=True)
class Shown:
    """A cue and its window, where the file names one; ``recognised`` if its words come from speech recognition."""

    cue: Cue
    window: object
    recognised: bool


def kept_until_the_window_goes_on(shown: Sequence[Shown], events: Iterable[tuple[object, float]]) -> list[Cue]:
    """The cues; a recognised one ends no earlier than the next event of its window.

    Args:
        events: (window, start in seconds) of all events of the file, those without words too.
    """
    starts: dict[object, list[float]] = defaultdict(list)
    for window, start_s in events:
        starts[window].append(start_s)
    for of_window in starts.values():
        of_window.sort()
    return [replace(each.cue, end_s=_end(each, starts[each.window])) for each in shown]


def _end(shown: Shown, starts: list[float]) -> float | None:
    cue = shown.cue
    following = bisect_right(starts, cue.start_s)
    if not shown.recognised or shown.window is None or following == len(starts):
        return cue.end_s
    longest = max(LONGEST_KEPT_S, float(len(cue.text.split())))
    goes_on = min(starts[following], cue.start_s + longest)
    return goes_on if cue.end_s is None else max(cue.end_s, goes_on)

"""Whether a list is better than chance: it searches for narration of held-out videos and must find these videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.search.query import parse

if TYPE_CHECKING:
    from orchestration.search.lists import RankedList

DEVIATIONS = 2.0
"""Standard deviations of chance that a list must be above it."""
DEPTH = 100


@dataclass(frozen=True)
class HeldOut:
    """Caption lines of test videos with their videos, and the number of videos in all splits."""

    lines: Sequence[tuple[str, str]]
    videos: int


def chance_caution(ranked: RankedList, held_out: HeldOut) -> str | None:
    """Why the list means little: it is not better than chance on held-out narration; None if it is better.

    A line counts as found if its video is among the first tenth of the videos, at most 10.
    """
    from orchestration.search.lists import Selection

    first = max(1, min(10, held_out.videos // 10))
    queries = len(held_out.lines)
    found = 0
    for video_id, line in held_out.lines:
        moments = ranked.find(parse(line), DEPTH, Selection())
        found += video_id in list(dict.fromkeys(each.video_id for each in moments))[:first]
    chance = min(1.0, first / max(held_out.videos, 1))
    spread = (queries * chance * (1 - chance)) ** 0.5
    if found > queries * chance + DEVIATIONS * spread:
        return None
    return (
        f"Not better than chance on held-out videos: for {found} of {queries} caption lines, the right video is among"
        f" the first {first} of {held_out.videos}; by chance {queries * chance:.1f}. It does not count in the best"
        " moments."
    )

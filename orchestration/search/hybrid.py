"""One order from several lists of moments, by reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assets.search.narration import Passage

RANK_CONSTANT = 10
"""The paper's k, which is 60 there, for lists of 1,000 documents. A list of 100 moments has most of a small lake: with
60, a moment that is in all lists comes before one that is first in two of them."""
SAME_MOMENT = 0.5
"""Share of the shorter of two stretches of one video from which on their overlap makes them one moment."""


@dataclass(frozen=True)
class Fused:
    """A moment, its fused score, and its rank in each list that has it, from 1."""

    passage: Passage
    ranks: Mapping[str, int]


def same_moment(one: Passage, other: Passage) -> bool:
    """Whether two stretches of a video overlap so much that one of them is enough."""
    shared = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    shorter = min(one.end_s - one.start_s, other.end_s - other.start_s)
    return one.video_id == other.video_id and shared > SAME_MOMENT * shorter


def apart(found: Sequence[Passage], limit: int | None = None) -> list[Passage]:
    """The moments, best first; of those that overlap, the best one."""
    kept: list[Passage] = []
    of_video: dict[str, list[Passage]] = {}
    for each in found:
        others = of_video.setdefault(each.video_id, [])
        if len(kept) == limit:
            break
        if not any(same_moment(each, other) for other in others):
            others.append(each)
            kept.append(each)
    return kept


def fuse(lists: Mapping[str, Sequence[Passage]], limit: int) -> list[Fused]:
    """The moments of all lists by ``sum over lists of 1 / (10 + rank)``, best first.

    A moment that overlaps one of an earlier list is the same moment, with the times of the earlier list.

    Args:
        lists: moments of each list, best first, without overlaps.
    """
    groups: dict[str, list[tuple[Passage, dict[str, int]]]] = {}
    for name, found in lists.items():
        for rank, each in enumerate(found, 1):
            of_video = groups.setdefault(each.video_id, [])
            ranks = next((held for other, held in of_video if name not in held and same_moment(each, other)), None)
            if ranks is None:
                of_video.append((each, {name: rank}))
            else:
                ranks[name] = rank
    fused = [
        Fused(Passage(each.video_id, each.start_s, each.end_s, _score(ranks.values())), ranks)
        for of_video in groups.values()
        for each, ranks in of_video
    ]
    return sorted(fused, key=lambda each: -each.passage.score)[:limit]


def _score(ranks: Iterable[int]) -> float:
    return sum(1 / (RANK_CONSTANT + rank) for rank in ranks)

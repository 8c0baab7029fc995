"""The ranked lists of a search: words, meaning, what is seen, and HERO's moments. Imports neither torch nor models.

See `loading` for where they come from, and `hybrid` for how they are fused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assets.search.narration import NarrationArray, Passage
from assets.search.query import WordQuery

UNRELATED = 0.95
"""Share of the pairs of passages of different videos that count as unrelated."""
MOST_FLOOR = 0.3
DEEPER = 4
"""Factor by which more is requested of a list from which filters removed too much."""
SPARE, WIDEST = 1.3, 2000
"""A filter that passes many videos is applied to the results, as long as no more than ``WIDEST`` are expected to be
needed, with ``SPARE`` times as many to be safe: to look up all passages that it passes takes longer."""

Picture = NDArray[np.uint8]
"""RGB ``[height, width, 3]``."""


@dataclass(frozen=True)
class Selection:
    """What a search may find: the videos of a filter; None allows all.

    ``condition`` is SQL for stored passages; it may pass more videos than ``videos`` has. ``share`` is that of the
    videos among all.
    """

    condition: str | None = None
    videos: Collection[str] | None = None
    share: float = 1.0


class RankedList(Protocol):
    """One way to find moments.

    ``scored_by`` says what its scores are. ``caution`` says why they mean little; such a list does not count in the
    fused order.
    """

    @property
    def name(self) -> str: ...

    @property
    def scored_by(self) -> str: ...

    @property
    def caution(self) -> str | None: ...

    def find(self, query: WordQuery, limit: int, selection: Selection) -> list[Passage]:
        """The best moments, best first; moments of one list may overlap."""
        ...

    def missing(self, query: WordQuery) -> str | None:
        """Why the list cannot find anything for this query; None if it can."""
        ...


class Words:
    """Passages that say the words, by BM25."""

    name = "Words of the narration"
    caution: str | None = None
    scored_by = "BM25: more and rarer words score higher; no upper limit"

    def __init__(self, array: NarrationArray) -> None:
        self.array = array

    def find(self, query: WordQuery, limit: int, selection: Selection) -> list[Passage]:
        return _filtered(lambda most, where: self.array.said(query, most, where), limit, selection)

    def missing(self, query: WordQuery) -> str | None:
        unknown = self.array.unknown(query)
        wanted = {*query.content_words, *(word for each in query.phrases for word in each.split())}
        return "No narration has a word of the query." if wanted and wanted <= set(unknown) else None


class Meaning:
    """Passages that mean the same, by the cosine of sentence embeddings.

    Results that are no nearer than unrelated passages of the lake are left out.
    """

    name = "Meaning of the narration"
    caution: str | None = None

    def __init__(self, array: NarrationArray, encode: Callable[[Sequence[str]], NDArray[np.float32]]) -> None:
        self.array, self._encode = array, encode
        unrelated = unrelated_cosine(array)
        # In a lake about one thing all passages are related.
        self.floor = min(unrelated, MOST_FLOOR)
        self.scored_by = f"cosine, from −1 to 1; {UNRELATED:.0%} of pairs of different videos are below {unrelated:.2f}"

    def find(self, query: WordQuery, limit: int, selection: Selection) -> list[Passage]:
        return self.near(self._encode([query.text])[0], limit, selection)

    def near(self, vector: NDArray[np.float32], limit: int, selection: Selection) -> list[Passage]:
        """The passages nearest to a vector, without those that are no nearer than unrelated ones."""
        found = _filtered(lambda most, where: self.array.near(vector, most, where), limit, selection)
        return [each for each in found if each.score > self.floor]

    def missing(self, query: WordQuery) -> str | None:
        return None


@dataclass(frozen=True)
class ByPicture:
    """How clips are found by a picture: ``encode`` makes its vector, ``search`` finds the clips nearest to it."""

    encode: Callable[[Picture], NDArray[np.float32]]
    search: Callable[[NDArray[np.float32], int], Sequence[Any]]


class Seen:
    """Clips that show it, by the text-video model in force.

    Args:
        search: finds clips for a text.
        known: the words of a text that the model knows.
        caution: why its scores mean little.
        by_picture: finds clips by a picture, or why the model cannot.
    """

    def __init__(
        self,
        name: str,
        scored_by: str,
        search: Callable[[str, int], Sequence[Any]],
        known: Any,
        caution: str | None,
        by_picture: ByPicture | str,
    ) -> None:
        self.name, self.scored_by, self.caution, self.by_picture = name, scored_by, caution, by_picture
        self._search, self._known = search, known

    def near(self, vector: NDArray[np.float32], limit: int, selection: Selection) -> list[Passage]:
        """The clips nearest to the vector of a picture."""
        assert isinstance(self.by_picture, ByPicture)
        search = self.by_picture.search
        return _enough(lambda most: search(vector, most), limit, selection)

    def find(self, query: WordQuery, limit: int, selection: Selection) -> list[Passage]:
        known = " ".join(self._known(query.text))
        return _enough(lambda most: self._search(known, most), limit, selection) if known else []

    def missing(self, query: WordQuery) -> str | None:
        return None if self._known(query.text) else "The model knows no word of the query."


class Hero:
    """Moments by the HERO of the lake.

    Args:
        find: moments for a text as (clip number, start and end in seconds of the clip, score).
        clips: video, start and end in seconds of each clip.
        known: the words of a text that the captions have: HERO tokenizes any text.
    """

    name = "HERO's moments"
    scored_by = "log of HERO's moment probability, plus 20 times the cosine; no upper limit"

    def __init__(
        self,
        find: Callable[[str], Sequence[Any]],
        clips: Sequence[tuple[str, float, float]],
        known: Callable[[WordQuery], bool],
        caution: str | None,
    ) -> None:
        self._find, self._clips, self._known, self.caution = find, clips, known, caution

    def find(self, query: WordQuery, limit: int, selection: Selection) -> list[Passage]:
        moments = []
        for each in self._find(query.text) if self._known(query) else ():
            video_id, start_s, end_s = self._clips[each.video]
            ends = min(start_s + each.end_s, end_s)
            moments.append(Passage(video_id, start_s + each.start_s, ends, float(np.log(each.score))))
        return _selected(moments, selection)[:limit]

    def missing(self, query: WordQuery) -> str | None:
        return None if self._known(query) else "No narration has a word of the query."


def _filtered(search: Callable[[int, str | None], Sequence[Any]], limit: int, selection: Selection) -> list[Passage]:
    """The first ``limit`` results of selected videos, of a search that takes a number and a condition."""
    if selection.condition is not None and selection.share * WIDEST >= SPARE * limit:
        found = _selected(search(ceil(SPARE * limit / selection.share), None), selection)
        if len(found) >= limit:
            return found[:limit]
    return _enough(lambda most: search(most, selection.condition), limit, selection)


def _enough(search: Callable[[int], Sequence[Any]], limit: int, selection: Selection) -> list[Passage]:
    """The first ``limit`` results of selected videos; more are requested until they are found or there are no more."""
    requested = limit
    while True:
        results = search(requested)
        found = _selected(results, selection)[:limit]
        if len(found) == limit or len(results) < requested:
            return found
        requested *= DEEPER


def _selected(found: Sequence[Any], selection: Selection) -> list[Passage]:
    allowed = [each for each in found if selection.videos is None or each.video_id in selection.videos]
    return [Passage(each.video_id, each.start_s, each.end_s, each.score) for each in allowed]


def unrelated_cosine(array: NarrationArray, sample: int = 400, share: float = UNRELATED) -> float:
    """The cosine below which this share of the pairs of passages of different videos is; 0 with one video."""
    rows = np.unique(np.linspace(0, max(len(array) - 1, 0), min(sample, len(array))).astype(int)).tolist()
    videos, vectors = array.vectors(rows) if rows else ([], np.zeros((0, 1), np.float32))
    names = np.array(videos)
    different = np.triu(names[:, None] != names[None, :])
    return float(np.quantile((vectors @ vectors.T)[different], share)) if different.any() else 0.0

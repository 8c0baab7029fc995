"""Answers to searches: each list is searched, the lists are fused, and each moment is described."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from assets.features.frames.borders import still_s
from assets.search.narration import Passage, of_videos
from assets.search.query import WordQuery, parse
from orchestration.search.corpus import Corpus, line_text
from orchestration.search.errors import UnavailableError
from orchestration.search.hybrid import apart, fuse
from orchestration.search.library import NAMES, Library
from orchestration.search.lists import Meaning, RankedList, Seen
from orchestration.search.schema import Answer, Filtered, FusedMoment, Moment, PictureQuery, Query, Ranking, Similar

DEPTH = 100
"""Moments of each list that are fused."""

Find = Callable[[str, RankedList], tuple[list[Passage], str | None]]


def answer(library: Library, query: Query, default_limit: int) -> Answer:
    """The moments for a text.

    Raises:
        UnavailableError: there is nothing to search in yet.
        ValueError: the text searches for nothing.
    """
    corpus, words = library.current(), parse(query.q)
    selection = corpus.selection(query.filters)

    def find(_: str, ranked: RankedList) -> tuple[list[Passage], str | None]:
        if reason := ranked.missing(words):
            return [], reason
        return apart(_allowed(corpus, ranked.find(words, DEPTH, selection), words)), None

    unknown = corpus.narration.unknown(words)
    return _answer(library, corpus, query, find, default_limit, query.q, unknown)


def similar(library: Library, query: Similar, default_limit: int) -> Answer:
    """The moments whose narration means the same as that of a moment, without the moment itself.

    Raises:
        UnavailableError: there is nothing to search in yet.
        LookupError: the video is not in the data set.
    """
    corpus = library.current()
    if query.video not in corpus:
        raise LookupError(f"video={query.video}: not in the data set")
    selection = corpus.selection(query.filters)
    here = Passage(query.video, query.at, query.at, 0.0)

    def find(_: str, ranked: RankedList) -> tuple[list[Passage], str | None]:
        if not isinstance(ranked, Meaning):
            return [], "Similar moments are found by the meaning of the narration."
        vector = ranked.array.vector_at(query.video, query.at)
        found = [] if vector is None else ranked.near(vector, DEPTH, selection)
        return apart([each for each in found if not _covers(each, here)]), None

    return _answer(library, corpus, query, find, default_limit, "", [])


def by_picture(library: Library, query: PictureQuery, vector: NDArray[np.float32], default_limit: int) -> Answer:
    """The moments that look like a picture; ``vector`` is that of the picture by the text-video model in force.

    Raises:
        UnavailableError: there is nothing to search in yet.
    """
    corpus = library.current()
    selection = corpus.selection(query.filters)

    def find(_: str, ranked: RankedList) -> tuple[list[Passage], str | None]:
        if not isinstance(ranked, Seen):
            return [], "A picture is compared with what is seen only."
        return apart(ranked.near(vector, DEPTH, selection)), None

    return _answer(library, corpus, query, find, default_limit, "", [], query.picture)


def moment_page(video_id: str, start_s: float, end_s: float) -> str:
    """The permanent address of a moment's page."""
    return "/moment?" + urlencode({"video": video_id, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}"})


def _answer(
    library: Library,
    corpus: Corpus,
    query: Filtered,
    find: Find,
    default_limit: int,
    text: str,
    unknown: list[str],
    picture: str | None = None,
) -> Answer:
    limit, found = query.limit or default_limit, dict[str, list[Passage]]()
    rankings = list[tuple[str, Any, str | None]]()
    lists = library.lists()
    with ThreadPoolExecutor(len(NAMES)) as threads:
        searches = {
            key: threads.submit(find, key, ranked)
            for key, ranked in lists.items()
            if not isinstance(ranked, UnavailableError)
        }
    for key, ranked in lists.items():
        if isinstance(ranked, UnavailableError):
            rankings.append((key, None, str(ranked)))
            continue
        moments, message = searches[key].result()
        # Moments of videos that the data set no longer has are not shown.
        found[key] = [each for each in moments if each.video_id in corpus]
        rankings.append((key, ranked, message))
    counted = {key: found[key] for key, ranked, _ in rankings if ranked is not None and ranked.caution is None}
    best = fuse(counted, limit)
    shown = [*(each.passage for each in best), *(each for key in found for each in found[key][:limit])]
    videos = list(dict.fromkeys(each.video_id for each in shown))
    lines, chapters, borders = corpus.lines(videos), corpus.chapters(videos), corpus.borders(videos)

    def described(passage: Passage) -> dict[str, Any]:
        text = line_text(lines.get(passage.video_id, []), passage)
        inside = [
            each.text for each in chapters.get(passage.video_id, []) if each.start_s <= passage.start_s < each.end_s
        ]
        picture_s = still_s(passage.start_s, passage.end_s, borders.get(passage.video_id, ()))
        return {**_description(corpus, passage, text, picture_s), "chapter": inside[-1] if inside else None}

    return Answer(
        query=text,
        unknown_words=unknown,
        picture=picture,
        moments=[FusedMoment(**described(each.passage), ranks=dict(each.ranks)) for each in best],
        results=[
            Ranking(
                key=key,
                model=ranked.name if ranked else NAMES[key],
                scored_by=ranked.scored_by if ranked else None,
                caution=ranked.caution if ranked else None,
                message=message,
                moments=[Moment(**described(each)) for each in found.get(key, [])[:limit]],
            )
            for key, ranked, message in rankings
        ],
    )


def _description(corpus: Corpus, passage: Passage, caption: str, picture_s: float) -> dict[str, Any]:
    facts = corpus.facts(passage.video_id)
    assert facts is not None
    playable = passage.video_id in corpus.files
    name = quote(passage.video_id, safe="")
    return {
        "video_id": passage.video_id,
        "start_s": passage.start_s,
        "end_s": passage.end_s,
        "score": passage.score,
        "caption": caption,
        **{key: facts[key] for key in ("title", "category", "channel", "split", "source")},
        "page": moment_page(passage.video_id, passage.start_s, passage.end_s),
        "media": f"/media/{name}" if playable else None,
        "still": f"/still/{name}?at={picture_s:.1f}" if playable else None,
    }


def _allowed(corpus: Corpus, found: list[Passage], words: WordQuery) -> list[Passage]:
    """The moments without those in which an excluded word is said."""
    for term in words.excluded:
        where = of_videos(each.video_id for each in found)
        spoken = corpus.narration.says(term, where, limit=DEPTH * DEPTH) if where else []
        of_video: dict[str, list[Passage]] = {}
        for each in spoken:
            of_video.setdefault(each.video_id, []).append(each)
        found = [each for each in found if not any(_covers(each, other) for other in of_video.get(each.video_id, ()))]
    return found


def _covers(one: Passage, other: Passage) -> bool:
    """Whether two stretches of a video share a time, or one is a point within the other."""
    if one.video_id != other.video_id:
        return False
    if other.start_s == other.end_s:
        return one.start_s <= other.start_s < one.end_s
    return one.start_s < other.end_s and other.start_s < one.end_s

"""Lists of chapters in yt-dlp's info files and in the player's answers: ``start_time``, ``end_time``, ``title``."""

from __future__ import annotations

from collections.abc import Mapping

from assets.sources.protocol import ListedChapter
from assets.values import MOST_TEXTS, Fields, shown

KEY = "chapters"


def listed_chapters(fields: Fields) -> tuple[ListedChapter, ...]:
    """The chapters of a video as they are listed; what cannot be used is unknown, and ``fields`` has the problem."""
    value = fields.fields.get(KEY)
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        fields.note(KEY, f"{shown(value)} instead of a list; they are unknown")
        return ()
    if len(value) > MOST_TEXTS:
        fields.note(KEY, f"{len(value):,} chapters; the first {MOST_TEXTS:,} are used")
    return tuple(_chapter(fields, index, element) for index, element in enumerate(value[:MOST_TEXTS]))


def _chapter(fields: Fields, index: int, element: object) -> ListedChapter:
    if not isinstance(element, Mapping):
        fields.note(KEY, f"element {index} is {shown(element)} instead of an object")
        return ListedChapter(None, None, None)
    own = Fields(element, fields.name)
    chapter = ListedChapter(own.number("start_time", at_least=0), own.number("end_time", at_least=0), own.text("title"))
    for problem in own.problems:
        fields.note(KEY, f"element {index}: {problem.problem}")
    return chapter

"""The sheets on which people label: their items with the answers so far, and writing an answer.

The files are those of ``lake/review``; see ``assets.tasks.review`` and ``assets.statistics.probes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assets.lake import Lake
from assets.statistics import probes
from assets.statistics.probes import LabelError, Probe, frame_times, label, read_labels, sheet_rows, videos_of
from assets.tasks.review import ReviewError, decide, read_review
from orchestration.search.browse.request import PER_PAGE

Name = Literal["verbs", "pairs", "videos", "video_duplicates", "visual_duplicates"]
PROBES = {probe.name: probe for probe in probes.PROBES}
FILE_ERRORS = (LabelError, ReviewError)
"""A file that a person edited cannot be used."""


class UnknownItemError(ValueError):
    """No such item on a sheet."""


@dataclass(frozen=True)
class Item:
    """What a person labels. ``label`` is the answer so far, empty if there is none.

    ``pictures`` are (video id, second) of its stills; ``detail`` is more text about it.
    """

    item: str
    label: str
    heading: str
    text: str
    pictures: tuple[tuple[str, float], ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Sheet:
    """One page of items, with the question and its answers. ``labelled`` of ``total`` items have an answer."""

    name: Name
    question: str
    answers: Sequence[str]
    items: list[Item]
    labelled: int
    total: int


class Sheets:
    """The sheets of one lake.

    Args:
        review_root: folder of the probes.
        verbs: review file of verbs; None if no person decides verbs.
    """

    def __init__(self, lake: Lake, review_root: Path, verbs: Path | None) -> None:
        self.lake, self.root, self.verbs = lake, review_root, verbs

    def sheet(self, name: Name, page: int, waiting_only: bool) -> Sheet:
        """One page of a sheet.

        Raises:
            LabelError, ReviewError: its file cannot be used.
        """
        question, answers, items = self._items(name)
        shown = [each for each in items if not (waiting_only and each.label)]
        labelled = sum(bool(each.label) for each in items)
        first = (page - 1) * PER_PAGE
        return Sheet(name, question, answers, shown[first : first + PER_PAGE], labelled, len(items))

    def write(self, name: Name, item: str, word: str) -> None:
        """Write one answer; an empty one takes it back.

        Raises:
            UnknownItemError: the sheet has no such item.
            LabelError, ReviewError: the file cannot be used, or the answer is not one of the sheet's.
        """
        if name in PROBES:
            label(self._probe_file(PROBES[name]), PROBES[name], item, word)
            return
        row = self._decisions(item)
        if self.verbs is None or not row:
            raise UnknownItemError(f"verbs: no verb '{item}'")
        decide(self.verbs, row[0], word)

    def _items(self, name: Name) -> tuple[str, Sequence[str], list[Item]]:
        if name in PROBES:
            return _QUESTIONS[name], PROBES[name].labels, self._probe(PROBES[name])
        return _QUESTIONS[name], ("keep", "drop"), self._verbs()

    def _probe_file(self, probe: Probe) -> Path:
        return self.root / f"{probe.name}.csv"

    def _probe(self, probe: Probe) -> list[Item]:
        labels = read_labels(self._probe_file(probe), probe)
        return [
            Item(
                row["item"],
                labels.get(row["item"], ""),
                f"{row['tile']} · {row['category_1']}",
                row["text"],
                tuple((video, time) for video in videos_of(row) for time in _times(row, probe.frames)),
            )
            for row in sheet_rows(self._probe_file(probe), probe)
        ]

    def _verbs(self) -> list[Item]:
        if self.verbs is None:
            return []
        decided = read_review(self.verbs)
        return [
            Item(
                row["verb"],
                decided.get(row["verb"], ""),
                f"tasks: {row['tasks']:,} · decision: {row['decision']}, by {row['decided_by']}",
                row["verb"],
                detail="\n".join(row["examples"]),
            )
            for row in self._decisions()
        ]

    def _decisions(self, verb: str | None = None) -> list[dict[str, Any]]:
        if not self.lake.has("verb_decisions"):
            return []
        one = "" if verb is None else "WHERE verb = $verb"
        query = f"SELECT * FROM verb_decisions {one} ORDER BY decided_by != 'undecided', decision, tasks DESC, verb"
        params = {} if verb is None else {"verb": verb}
        return self.lake.sql(query, **params).pl().to_dicts()


_QUESTIONS: dict[str, str] = {
    "verbs": "Does the verb name a physical task?",
    "pairs": "Is at least one object or action of the caption visible in the clip?",
    "videos": "Which kind of video is it?",
    "video_duplicates": "Do both videos say the same?",
    "visual_duplicates": "Do both videos show the same?",
}


def _times(row: dict[str, str], count: int) -> list[float]:
    """The times of the contact sheet; none for times that a person broke."""
    try:
        return frame_times(float(row["start_s"]), float(row["end_s"]), count)
    except (KeyError, ValueError):
        return []

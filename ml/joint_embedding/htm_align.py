"""HTM-Align: sentences of narration, whether the video shows them, and when. Reader and scorer of the benchmark.

The scorer follows the public code of Temporal Alignment Networks (TengdaHan/TemporalAlignNet,
eval/eval_zeroshot_align.py): similarities of every sentence with every second of its video, once over the whole video
and once over windows of 64 s.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ml.reading import json_document, parsed

WINDOW_S = 64
STEP_S = WINDOW_S // 4
REACH_S = (-WINDOW_S, 2 * WINDOW_S)
"""Sentences of a window have their middle between these seconds, counted from the start of the window."""
OPEN_WINDOWS = 4
"""Windows at either end of a video in which all sentences up to that end take part."""
NEVER_COVERED = -6e4
"""Similarity of a second with a sentence that no window has together."""

Similarities = NDArray[np.floating]


@dataclass(frozen=True)
class Sentence:
    """A sentence of narration; ``alignable`` if the video shows it, then from ``start_s`` to ``end_s``."""

    alignable: bool
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class AlignmentScores:
    """``recall``: share of the alignable sentences whose best second is theirs. ``roc_auc``: of the best similarity as
    a score for whether a sentence is alignable; None where all sentences are of one kind. ``chance``: the recall of a
    random second.
    """

    recall: float
    chance: float
    roc_auc: float | None
    sentences: int
    alignable: int


def read_htm_align(path: Path) -> dict[str, list[Sentence]]:
    """The sentences of each video of ``htm_align.json``, in the order of the narration.

    The file is an object of lists of ``[alignable, start, end, text]``.

    Raises:
        ValueError: an entry is of another form; the message names the video and the sentence.
    """
    document = json_document(path)
    if not isinstance(document, dict) or not document:
        raise ValueError(f"{path}: not an object of videos")
    return {video_id: list(_sentences(f"{path}: {video_id}", listed)) for video_id, listed in document.items()}


def _sentences(place: str, listed: Any) -> Iterator[Sentence]:
    if not isinstance(listed, list):
        raise ValueError(f"{place}: not a list of sentences")
    for number, entry in enumerate(listed):
        yield parsed(f"{place}: sentence {number}", _sentence, entry)


def _sentence(entry: Any) -> Sentence:
    alignable, start_s, end_s, text = entry
    if alignable not in (0, 1) or not isinstance(text, str):
        raise ValueError("need [0 or 1, start, end, text]")
    if not 0 <= float(start_s) <= float(end_s) < math.inf:
        raise ValueError(f"times {start_s} to {end_s}")
    return Sentence(bool(alignable), float(start_s), float(end_s), text)


def windows(sentences: Sequence[Sentence], seconds: int) -> Iterator[tuple[slice, slice]]:
    """(sentences, seconds) of each window of a video, so that the times of alignable sentences are not used.

    A window has all sentences between the first and the last one that is not alignable and whose middle is near. A
    window without one is left out.
    """
    starts = range(0, seconds - WINDOW_S // 2, STEP_S)
    middles = [(index, (each.start_s + each.end_s) / 2) for index, each in enumerate(sentences) if not each.alignable]
    for number, start in enumerate(starts):
        near = [index for index, middle in middles if start + REACH_S[0] <= middle <= start + REACH_S[1]]
        if near:
            first = 0 if number < OPEN_WINDOWS else near[0]
            last = len(sentences) - 1 if number >= len(starts) - OPEN_WINDOWS else near[-1]
            yield slice(first, last + 1), slice(start, min(start + WINDOW_S, seconds))


def in_windows(similarities: Similarities, sentences: Sequence[Sentence]) -> Similarities:
    """The mean of ``similarities[sentences, seconds]`` over the windows, 0 where no window has both.

    For a model whose similarity does not depend on the window; it then only removes what no window covers.
    """
    total = np.zeros(similarities.shape, np.float64)
    count = np.zeros(similarities.shape, np.int64)
    for rows, columns in windows(sentences, similarities.shape[1]):
        total[rows, columns] += similarities[rows, columns]
        count[rows, columns] += 1
    return total / np.maximum(count, 1e-5)


class AlignmentScorer:
    """Collects the similarities of videos; ``scores`` pools the sentences of all of them."""

    def __init__(self) -> None:
        self._alignable: list[bool] = []
        self._best: list[float] = []
        self._hits: list[bool] = []
        self._chance: list[float] = []

    def add(self, similarities: Similarities, sentences: Sequence[Sentence]) -> None:
        """One video.

        Args:
            similarities: ``[sentences, seconds]``; exactly 0 where the two were never compared.

        Raises:
            ValueError: there are no seconds, another number of sentences, or a similarity is not finite.
        """
        if similarities.shape[0] != len(sentences) or not similarities.shape[1] or not np.isfinite(similarities).all():
            raise ValueError(f"similarities {similarities.shape} of {len(sentences)} sentences: need a finite one each")
        compared = np.where(similarities == 0, NEVER_COVERED, similarities)
        for sentence, row in zip(sentences, compared, strict=True):
            self._alignable.append(sentence.alignable)
            self._best.append(float(row.max()))
            if sentence.alignable:
                own = range(math.floor(sentence.start_s), math.ceil(sentence.end_s) + 1)
                self._hits.append(int(row.argmax()) in own)
                self._chance.append(len(range(own.start, min(own.stop, len(row)))) / len(row))

    def scores(self) -> AlignmentScores:
        """Of all videos so far.

        Raises:
            ValueError: there is no alignable sentence.
        """
        if not self._hits:
            raise ValueError("no alignable sentence in any video")
        both = len(self._hits) < len(self._alignable)
        auc = float(roc_auc_score(self._alignable, self._best)) if both else None
        recall, chance = float(np.mean(self._hits)), float(np.mean(self._chance))
        return AlignmentScores(recall, chance, auc, len(self._alignable), len(self._hits))

"""From caption lines, which break where the screen is full, to sentences and their times.

The model that finds sentences in text without punctuation is
`wtpsplit <https://github.com/segment-any-text/wtpsplit>`_, the extra ``sentences``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from assets.options import Options, Variable

Method = Literal["lines", "pauses", "model"]

_SENTENCE_END = re.compile(r"[.?!…][\"'”’)\]]*$")


@dataclass(frozen=True)
class Segmentation(Options):
    """How captions become clips.

    ``lines``: a clip a caption line. ``pauses``: a sentence ends at its punctuation and at pauses. ``model``: a
    sentence ends where the model says. A sentence is cut into several clips after ``max_words`` words and at pauses,
    which are silences longer than ``max_pause_s``; both defaults are those of sentencified HowTo100M (Temporal
    Alignment Networks).
    """

    group: ClassVar = "Captions"

    method: Annotated[
        Method,
        Variable("segmentation"),
        Field(
            description="text of a clip: a caption line, a sentence that ends at punctuation and pauses, or a sentence"
            " that ends where a model says (extra sentences)"
        ),
    ] = "lines"
    max_words: int = 20
    max_pause_s: float = 1.0
    model: str = "sat-3l-sm"


@dataclass(frozen=True)
class Word:
    """A word, its start and its latest possible end in seconds; ``known`` if the track has its start."""

    text: str
    start_s: float
    end_s: float
    known: bool


class MissingExtraError(Exception):
    """An optional package is not installed; the message names the extra that brings it."""


def segmented(lines: pl.DataFrame, segmentation: Segmentation) -> pl.DataFrame:
    """Lines that follow each other, or the pieces of their sentences, with ``sentence_index`` (NULL for lines).

    Args:
        lines: shard, video_id, start_s, end_s, text, word_starts_s; sorted by video and start.

    Returns:
        shard, video_id, start_s, end_s, text, word_starts_s, sentence_index.
    """
    columns = ["shard", "video_id", "start_s", "end_s", "text", "word_starts_s"]
    if segmentation.method == "lines":
        return lines.select(*columns, pl.lit(None, pl.Int64).alias("sentence_index"))
    ends_in = _sentence_ends(segmentation)
    rows = [
        (shard, video_id, *clip)
        for (shard, video_id), track in lines.group_by("shard", "video_id", maintain_order=True)
        for clip in _clips_of_sentences(words_of(track), ends_in, segmentation)
    ]
    schema = {**{name: lines.schema[name] for name in columns}, "sentence_index": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def words_of(track: pl.DataFrame) -> list[Word]:
    """The words of one video's lines."""
    lines = track.select("start_s", "end_s", "text", "word_starts_s").iter_rows()
    return [word for line in lines for word in words_of_line(*line)]


def words_of_line(start_s: float, end_s: float, text: str, timed: Sequence[float] | None) -> list[Word]:
    """The words of a line.

    Where they have no times of their own, or some that are outside of the line or run backwards, each has an equal
    share of its window.
    """
    spoken = text.split()
    known = timed is not None and list(timed) == sorted(timed) and start_s <= timed[0] and timed[-1] < end_s
    share = (end_s - start_s) / len(spoken)
    starts = timed if known and timed else [start_s + share * i for i in range(len(spoken))]
    return [Word(*word, known) for word in zip(spoken, starts, [*starts[1:], end_s], strict=True)]


def _sentence_ends(segmentation: Segmentation) -> Callable[[list[Word]], list[bool]]:
    """The function from the words of a track to whether a sentence ends with each."""
    if segmentation.method == "model":
        split = load_model(segmentation.model)
        return lambda words: ends_by_pieces([word.text for word in words], split(" ".join(word.text for word in words)))
    return lambda words: [
        bool(_SENTENCE_END.search(word.text)) or pause > segmentation.max_pause_s
        for word, pause in zip(words, pauses(words), strict=True)
    ]


def pauses(words: list[Word]) -> list[float]:
    """Seconds of silence after each word, as far as the track shows it; after the last word, endless.

    A caption stays on screen through a silence, so where words have times of their own, the time from a word's start to
    the next one's counts, else the time from a line's end to the next line's start.
    """
    silences = [
        after.start_s - (before.start_s if before.known and after.known else before.end_s)
        for before, after in pairwise(words)
    ]
    return [*silences, float("inf")]


def ends_by_pieces(words: list[str], pieces: list[str]) -> list[bool]:
    """Which words end a piece, for pieces whose concatenation is the words joined by blanks."""
    if "".join(pieces) != " ".join(words):
        raise ValueError("the sentence model changed the text that it was to cut")
    borders, at = set(), 0
    for piece in pieces:
        at += len(piece)
        borders.add(at)
    ends, at = [], 0
    for word in words:
        at += len(word) + 1
        # The blank between two pieces may belong to either; a cut inside a word counts after it.
        ends.append(any(border in borders for border in range(at - len(word), at + 1)))
    return ends


def _clips_of_sentences(
    words: list[Word], sentence_ends: Callable[[list[Word]], list[bool]], segmentation: Segmentation
) -> Iterator[tuple[float, float, str, list[float] | None, int]]:
    sentence, first, sentence_of_first = 0, 0, 0
    for index, (is_end, pause) in enumerate(zip(sentence_ends(words), pauses(words), strict=True)):
        is_last = index + 1 == len(words)
        is_full = index + 1 - first >= segmentation.max_words
        sentence += is_end
        # Words of one time cannot be in two clips: a clip is never empty.
        is_possible = is_last or words[index + 1].start_s > words[first].start_s
        if (is_end or is_full or pause > segmentation.max_pause_s) and is_possible:
            piece = words[first : index + 1]
            starts = [word.start_s for word in piece] if all(word.known for word in piece) else None
            yield piece[0].start_s, piece[-1].end_s, " ".join(word.text for word in piece), starts, sentence_of_first
            first, sentence_of_first = index + 1, sentence


def load_model(name_or_path: str) -> Callable[[str], list[str]]:
    """The sentence model, as a function from a text to its sentences.

    Args:
        name_or_path: a folder of the model, or its name among those of wtpsplit, which is then downloaded.

    Raises:
        MissingExtraError: wtpsplit is not installed.
    """
    try:
        from wtpsplit import SaT
    except ImportError as error:
        raise MissingExtraError("sentences by model: install the extra, pip install 'howto-lake[sentences]'") from error
    model = SaT(name_or_path)
    return lambda text: list(model.split(text))

"""What is searched: the narration, the facts of each video, and their files. See `lists` for how it is searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial

import numpy as np
import polars as pl

from assets.features.frames.borders import Borders, borders_of_videos
from assets.lake import Lake
from assets.search.narration import Filters, Line, NarrationArray, Passage, of_videos
from assets.splits import SplitOptions, splits_of_videos
from ml.text.tokens import clean
from orchestration.search.errors import NotReadyError
from orchestration.search.lists import Selection

EXAMPLES = 6
SAMPLE = 400
MOST_CHOICES = 100
"""Most values of a fact that a filter offers."""
CHOICES = ("category", "channel", "source", "split", "caption_source")

_FACTS = """
SELECT video_id, title, category_1 AS category, channel, source, duration_s, upload_date, caption_source
FROM videos WHERE kept ORDER BY video_id
"""

_CHAPTERS = "SELECT video_id, start_s, end_s, title FROM chapters WHERE kept"

Chapters = Callable[[list[str]], list[tuple[str, float, float, str]]]
ShotBorders = Callable[[list[str]], Borders]


class Corpus:
    """The narration of a lake with the facts of its videos.

    Args:
        narration: the array ``narration_words``.
        facts: one row per video, with the columns of ``Filters`` and ``title``.
        files: path of each video that has a file, relative to the media root or absolute.
        chapters: reads the chapters of videos from the lake; None if it has none.
        borders: reads where the shots of videos end.
    """

    def __init__(
        self,
        narration: NarrationArray,
        facts: pl.DataFrame,
        files: Mapping[str, str],
        chapters: Chapters | None = None,
        borders: ShotBorders = lambda _: {},
    ) -> None:
        self.narration, self.files, self.borders = narration, files, borders
        self._facts, self._chapters = facts, chapters
        self._rows = {video_id: row for row, video_id in enumerate(facts["video_id"])}

    def __len__(self) -> int:
        return len(self.narration)

    def __contains__(self, video_id: object) -> bool:
        return video_id in self._rows

    @property
    def videos(self) -> int:
        """Number of videos."""
        return len(self._facts)

    @property
    def synthetic(self) -> bool:
        """Whether some video is generated data."""
        return bool((self._facts["source"] == "synthetic").any())

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """The most frequent values of each fact that searches filter by, sorted."""
        found = {}
        for name in CHOICES:
            counts = self._facts[name].drop_nulls().value_counts(sort=True).head(MOST_CHOICES)
            found[name] = sorted(counts[name].to_list())
        return found

    @cached_property
    def examples(self) -> list[str]:
        """Some short captions without stop words: example searches."""
        if not len(self):
            return []
        rows = np.unique(np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).astype(int)).tolist()
        cleaned = [clean(caption).lower() for caption in self.narration.captions(rows)]
        short = [text for text in cleaned if 2 <= len(text.split()) <= 4]
        return list({text.split()[0]: text for text in short}.values())[:EXAMPLES]

    def facts(self, video_id: str) -> dict[str, object] | None:
        """What is known of a video; None if it is not in the data set."""
        row = self._rows.get(video_id)
        return None if row is None else self._facts.row(row, named=True)

    def selection(self, filters: Filters) -> Selection:
        """The videos that pass the filters."""
        condition = filters.condition(split=True)
        if condition is None:
            return Selection()
        passing = pl.SQLContext(facts=self._facts).execute(f"SELECT video_id FROM facts WHERE {condition}", eager=True)
        return Selection(filters.condition(), frozenset(passing["video_id"]), len(passing) / max(len(self._facts), 1))

    def lines(self, video_ids: list[str]) -> dict[str, list[Line]]:
        """The caption lines of videos, in order."""
        return self.narration.lines(video_ids)

    def chapters(self, video_ids: list[str]) -> dict[str, list[Line]]:
        """The chapters of videos by their creators, in order."""
        found: dict[str, list[Line]] = {}
        for video_id, start_s, end_s, title in self._chapters(video_ids) if self._chapters and video_ids else ():
            found.setdefault(video_id, []).append(Line(start_s, end_s, title))
        return found

    def held_out(self, most: int) -> list[tuple[str, str]]:
        """Caption lines of test videos with at least 3 words that are no stop words, as (video, line)."""
        test = self._facts.filter(pl.col("split") == "test")["video_id"].head(most).to_list()
        spoken = [(video_id, line.text) for video_id, lines in self.lines(test).items() for line in lines]
        long = [(video_id, line) for video_id, line in spoken if len(clean(line).split()) >= 3]
        return long[:: max(1, len(long) // most)][:most]


def load_corpus(lake: Lake, narration: NarrationArray, split: SplitOptions) -> Corpus:
    """The corpus as it is stored now.

    Raises:
        NotReadyError: the narration is not indexed yet.
    """
    if not narration.exists() or not lake.has("videos"):
        raise NotReadyError(
            "The narration is not indexed yet. Run howto refresh, or materialize the asset narration_words."
        )
    facts = lake.sql(_FACTS).pl()
    splits = splits_of_videos(facts["video_id"], split)
    if lake.has("training_manifest"):
        # The split that the models were trained with, where it differs because few videos have features.
        splits |= dict(lake.sql("SELECT video_id, split FROM training_manifest").fetchall())
    facts = facts.with_columns(split=pl.col("video_id").replace_strict(splits, return_dtype=pl.String))
    has_files = lake.has("video_files")
    files = lake.sql("SELECT video_id, uri FROM video_files WHERE status = 'ok'").fetchall() if has_files else []
    chapters = partial(_chapters_of, lake) if lake.has("chapters") else None
    return Corpus(narration.pinned(), facts, dict(files), chapters, partial(borders_of_videos, lake))


def _chapters_of(lake: Lake, video_ids: list[str]) -> list[tuple[str, float, float, str]]:
    return lake.sql(f"{_CHAPTERS} AND {of_videos(video_ids)} ORDER BY video_id, start_s").fetchall()


def line_text(lines: list[Line], passage: Passage) -> str:
    """The caption lines of a moment: those within it, or those that reach into it where none is within it."""
    within = [line for line in lines if line.start_s >= passage.start_s and line.end_s <= passage.end_s]
    reaching = [line for line in lines if line.start_s < passage.end_s and line.end_s > passage.start_s]
    return " ".join(line.text for line in within or reaching)

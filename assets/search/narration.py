"""The narration of the kept videos in Lance arrays: one with an index of words, one with vectors of its meaning.

Lance must not be used across a fork.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.search.query import WordQuery
from ml.lance_arrays import array_versions, open_array, write_array
from ml.places import Place
from sql import literal

if TYPE_CHECKING:
    import lance
    from lance.query import FullTextQuery, MatchQuery, PhraseQuery

SCAN_ROWS = 4096
MOST_WORDS = 10_000
"""Words of queries of which is kept whether they are said."""
EXACT_BELOW = 50_000
"""Number of passages below which a vector is compared with all others."""
NUMBERS_OF_CODE, SAMPLE_RATE = 8, 32
"""Of the index of vectors: numbers per byte of a code, and vectors per centroid for its training."""
LARGE = 1_000_000
PROBES, CANDIDATES = {False: 60, True: 50}, {False: 800, True: 2000}
"""Parts that a search of the index reads, and exact comparisons, in an array of fewer than ``LARGE`` passages and in
one of more: with 10 million, more are about equally near, so that codes separate them less well."""

FACTS = pa.schema(
    [
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("clip_index", pa.int64(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("channel", pa.string()),
        pa.field("source", pa.string()),
        pa.field("duration_s", pa.float64()),
        pa.field("upload_date", pa.date32()),
        pa.field("caption_source", pa.string()),
    ]
)
"""Where a passage is, and what searches filter by: facts of its video, NULL if unknown."""

TEXTS = pa.schema(
    [
        pa.field("line_end_s", pa.float64(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("passage", pa.string(), nullable=False),
    ]
)
"""The caption line with which a passage begins, its end in seconds, and the text of the passage."""


@dataclass(frozen=True)
class Passage:
    """A found stretch of a video in seconds, and its score; larger is better."""

    video_id: str
    start_s: float
    end_s: float
    score: float


class Line(NamedTuple):
    """A caption line, in seconds of its video."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Filters:
    """Facts that a found passage's video must have; None allows every value, and NULL only passes where it is None."""

    category: str | None = None
    channel: str | None = None
    source: str | None = None
    split: str | None = None
    caption_source: str | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    after: date | None = None
    before: date | None = None

    def condition(self, split: bool = False) -> str | None:
        """The filter as SQL over the columns of ``FACTS``; None if it allows all.

        Args:
            split: whether the rows have the split too, which stored passages have not: it depends on which videos can
                be used for training.
        """
        equal = ("category", "channel", "source", "caption_source", *(["split"] if split else []))
        parts = [f"{name} = {literal(value)}" for name in equal if (value := getattr(self, name)) is not None]
        bounds = (("duration_s", ">=", self.min_duration_s), ("duration_s", "<=", self.max_duration_s))
        parts += [f"{name} {sign} {float(value)!r}" for name, sign, value in bounds if value is not None]
        days = ((">=", self.after), ("<=", self.before))
        parts += [f"upload_date {sign} date '{value.isoformat()}'" for sign, value in days if value is not None]
        return " AND ".join(parts) or None


class NarrationArray:
    """Passages of the narration in a folder, with an index of their words, or with vectors of their meaning."""

    def __init__(self, path: Place, exact_below: int = EXACT_BELOW) -> None:
        self.path, self.exact_below = path, exact_below
        self._opened: tuple[list[str], lance.LanceDataset] | None = None
        self._pinned = False
        # Of passages that stay as they are; a request asks for each word of its query more than once.
        self._is_said = lru_cache(MOST_WORDS)(lambda word: bool(self.says(word)))

    # -- writing ------------------------------------------------------------------------------------------------

    def write_words(self, passages: Iterable[pa.Table]) -> int:
        """Write passages (``FACTS`` and ``TEXTS``) in place of older ones, and index their words.

        Words are indexed by their stems, in lower case and without accents, with positions. Returns the number of
        passages.
        """
        rows = self._write(passages, pa.schema([*FACTS, *TEXTS]))
        if rows:
            self._dataset().create_scalar_index(
                "passage",
                "INVERTED",
                with_position=True,
                base_tokenizer="simple",
                language="English",
                stem=True,
                lower_case=True,
                ascii_folding=True,
                remove_stop_words=False,
            )
            self._index_facts()
        return rows

    def write_vectors(self, passages: Iterable[pa.Table], dim: int) -> int:
        """Write passages (``FACTS``, ``passage_hash``, ``vector``) in place of older ones.

        An index is created if there are enough of them.
        """
        own = [pa.field("passage_hash", pa.int64(), nullable=False), pa.field("vector", pa.list_(pa.float16(), dim))]
        rows = self._write(passages, pa.schema([*FACTS, *own]))
        if rows:
            self._index_facts()
            self._dataset().create_scalar_index("passage_hash", "BTREE")
        if rows >= self.exact_below:
            self._dataset().create_index(
                "vector",
                "IVF_PQ",
                metric="dot",
                num_partitions=max(1, round(rows**0.5 / 4)),
                num_sub_vectors=dim // NUMBERS_OF_CODE,
                sample_rate=SAMPLE_RATE,
                replace=True,
            )
        return rows

    def _write(self, passages: Iterable[pa.Table], schema: pa.Schema) -> int:
        batches = (batch for each in passages for batch in each.cast(schema).to_batches())
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        return write_array(self.path, reader, "overwrite")

    def _index_facts(self) -> None:
        for name in ("video_id", "duration_s", "upload_date"):
            self._dataset().create_scalar_index(name, "BTREE")
        for name in ("category", "channel", "source", "caption_source"):
            self._dataset().create_scalar_index(name, "BITMAP")

    # -- reading ------------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether there are passages."""
        return bool(array_versions(self.path))

    def __len__(self) -> int:
        return int(self._dataset().count_rows())

    def pinned(self) -> NarrationArray:
        """The current passages, which stay readable even when others replace them."""
        same = NarrationArray(self.path, self.exact_below)
        same._dataset()
        same._pinned = True
        return same

    def version(self) -> str | None:
        """Content version, computed from the stored rows; None if there are none."""
        if not self.exists():
            return None
        digest = hashlib.sha256()
        for batch in self._dataset().scanner(batch_size=SCAN_ROWS).to_batches():
            plain = [name for name in batch.schema.names if name != "vector"]
            digest.update(repr(batch.select(plain).to_pydict()).encode())
            if "vector" in batch.schema.names:
                digest.update(batch["vector"].flatten().to_numpy(zero_copy_only=False).tobytes())
        return digest.hexdigest()[:16]

    def said(self, query: WordQuery, limit: int, where: str | None = None) -> list[Passage]:
        """The passages that say the words of a query, best first, scored by BM25."""
        wanted = _full_text(query)
        return self._passages(full_text_query=wanted, limit=limit, filter=where) if wanted else []

    def says(self, text: str, where: str | None = None, limit: int = 1) -> list[Passage]:
        """Passages that say a word or a phrase."""
        return self._passages(full_text_query=_term(text), limit=limit, filter=where)

    def unknown(self, query: WordQuery) -> list[str]:
        """The words of a query, without stop words, that no passage says."""
        words = dict.fromkeys((*query.content_words, *(word for each in query.phrases for word in each.split())))
        is_said = self._is_said if self._pinned else self.says
        return [word for word in words if not is_said(word)]

    def near(self, vector: NDArray[np.floating], limit: int, where: str | None = None) -> list[Passage]:
        """The passages with the largest dot product with ``vector[dim]``, best first."""
        search = {"column": "vector", "q": vector.astype(np.float32), "k": limit, "metric": "dot"}
        large = len(self) >= LARGE
        search |= {"nprobes": PROBES[large], "refine_factor": -(-CANDIDATES[large] // limit)}
        columns = ["video_id", "start_s", "end_s", "_distance"]
        rows = self._scan(columns, nearest=search, filter=where)
        found = zip(*rows.to_pydict().values(), strict=True)
        return [Passage(video_id, start_s, end_s, 1 - distance) for video_id, start_s, end_s, distance in found]

    def vectors(self, rows: Sequence[int]) -> tuple[list[str], NDArray[np.float32]]:
        """The videos and ``vectors[rows, dim]`` of passages by number."""
        table = self._dataset().take(list(rows), columns=["video_id", "vector"]).combine_chunks()
        flat = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return table["video_id"].to_pylist(), flat.reshape(len(table), -1).astype(np.float32)

    def vector_at(self, video_id: str, start_s: float) -> NDArray[np.float32] | None:
        """The vector of the passage of a video that starts last, but not after ``start_s``."""
        where = f"video_id = {literal(video_id)}"
        rows = self._scan(["start_s", "vector"], filter=where).to_pylist()
        before = [row for row in rows if row["start_s"] <= start_s] or rows[:1]
        return np.array(max(before, key=lambda row: row["start_s"])["vector"], np.float32) if before else None

    def stored_vectors(self, hashes: Sequence[int]) -> dict[int, list[float]]:
        """The vectors of passages that have one of these hashes."""
        rows = self._scan(["passage_hash", "vector"], filter=f"passage_hash IN ({', '.join(map(str, hashes))})")
        return dict(zip(rows["passage_hash"].to_pylist(), rows["vector"].to_pylist(), strict=True))

    def captions(self, rows: Sequence[int]) -> list[str]:
        """The caption lines with which passages begin, by number."""
        found: list[str] = self._dataset().take(list(rows), columns=["caption"])["caption"].to_pylist()
        return found

    def lines(self, video_ids: Iterable[str]) -> dict[str, list[Line]]:
        """The caption lines of videos, in order."""
        where = of_videos(video_ids)
        if where is None:
            return {}
        columns = ["video_id", "clip_index", "start_s", "line_end_s", "caption"]
        rows = self._scan(columns, filter=where).to_pydict()
        found: dict[str, list[Line]] = {}
        for video_id, _, *line in sorted(zip(*rows.values(), strict=True)):
            found.setdefault(video_id, []).append(Line(*line))
        return found

    def _passages(self, **search: Any) -> list[Passage]:
        rows = self._scan(["video_id", "start_s", "end_s", "_score"], **search)
        return [Passage(*each) for each in zip(*rows.to_pydict().values(), strict=True)]

    def _scan(self, columns: list[str], **search: Any) -> pa.Table:
        return self._dataset().scanner(columns=columns, prefilter=True, **search).to_table().select(columns)

    def _dataset(self) -> lance.LanceDataset:
        if self._pinned and self._opened:
            return self._opened[1]
        versions = array_versions(self.path)
        if not versions:
            raise FileNotFoundError(f"{self.path}: no narration is there; materialize {self.path.name.split('.')[0]}")
        if self._opened is None or self._opened[0] != versions:
            self._opened = versions, open_array(self.path)
        return self._opened[1]


def of_videos(video_ids: Iterable[str]) -> str | None:
    """The condition that a passage is of one of these videos; None if there are none."""
    names = ", ".join(map(literal, dict.fromkeys(video_ids)))
    return f"video_id IN ({names})" if names else None


def _full_text(query: WordQuery) -> FullTextQuery | None:
    """Phrases must be said, words may be said, excluded terms must not be said; None if nothing is searched for."""
    from lance.query import BooleanQuery, MatchQuery, Occur

    wanted = [(Occur.MUST, _term(phrase)) for phrase in query.phrases]
    if query.content_words:
        wanted.append((Occur.SHOULD, MatchQuery(" ".join(query.content_words), "passage")))
    excluded = [(Occur.MUST_NOT, _term(each)) for each in query.excluded]
    if not wanted:
        return None
    # A query within another one is scored for all passages, by itself only for those that can be among the best.
    return wanted[0][1] if len(wanted) == 1 and not excluded else BooleanQuery([*wanted, *excluded])


def _term(text: str) -> MatchQuery | PhraseQuery:
    from lance.query import MatchQuery, PhraseQuery

    return PhraseQuery(text, "passage") if " " in text else MatchQuery(text, "passage")

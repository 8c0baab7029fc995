"""Caption tracks from the caption file of a HowTo100M release, one by one or a shard at a time.

See ``captions`` for how the entries of the file are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from assets.captions.cues import CaptionError, plain
from assets.captions.tracks import CaptionLine, CaptionTrack
from assets.lake import load_tables
from assets.outcomes import Problem, SourceError, Status
from assets.sources.howto100m_release.captions import LINES, PROBLEMS, Batch, find_entries, read_entries, read_zip
from assets.sources.howto100m_release.export import Track, write_caption_json
from ml.files import content_hash, whole_file
from ml.text.tokens import tokenize

_NOT_PLAIN = r"[&<]|\s\s|^\s|\s$|[^\S ]|[\x1c-\x1f]"


class CaptionFile:
    """The caption file of a release, with an index in the cache of where each video is in it.

    The index, and for a zip also its content as one file of the JSON form, are made once for each state of the file.
    """

    def __init__(self, path: Path, cache: Path) -> None:
        self.path = path
        self.cache = cache

    @cached_property
    def entries(self) -> pl.DataFrame:
        """Where each video is, sorted by id; of an id that is there twice, the first entry counts.

        Raises:
            SourceError: the file is not of a published form.
        """
        index = self.cache / f"{self._key}.parquet"
        if not index.exists():
            try:
                entries = find_entries(self._json).sort("video_id", "start")
            except CaptionError as error:
                raise SourceError(str(error)) from error
            with whole_file(index) as new:
                entries.write_parquet(new)
        return pl.read_parquet(index)

    def problems(self) -> list[Problem]:
        """Ids that are there more than once, and what could not be read of a zip."""
        again = self.entries.filter(pl.col("video_id").is_first_distinct().not_())
        problems = [
            Problem(f"{self.path.name}: {video_id}", f"again at byte {start:,}: its first entry counts")
            for video_id, start in again.select("video_id", "start").iter_rows()
        ]
        wrong = json.loads(self._unpacking_problems.read_text()) if self.path.suffix == ".zip" else []
        return problems + [Problem(f"{self.path.name}: {video_id}", problem) for video_id, problem in wrong]

    def read(self, video_ids: pl.Series) -> Iterator[Batch]:
        """The lines of some videos in batches, in the order of the file."""
        wanted = self.entries.unique("video_id", keep="first").filter(pl.col("video_id").is_in(video_ids.implode()))
        yield from read_entries(self._json, wanted.sort("start"))

    def track(self, video_id: str) -> CaptionTrack:
        """The track of one video, of an unknown kind."""
        first = self.entries["video_id"].search_sorted(video_id, side="left")
        entry = self.entries.slice(first, 1)
        if entry.is_empty() or entry["video_id"][0] != video_id:
            return CaptionTrack("no_captions", error=self._error([], "no_captions"))
        (batch,) = read_entries(self._json, entry)
        rows = batch.lines.select("start_s", "end_s", "text").iter_rows()
        lines = tuple(CaptionLine(start_s, end_s, plain(text)) for start_s, end_s, text in rows)
        status: Status = "ok" if lines else "failed"
        error = self._error(batch.problems["problem"].to_list(), status)
        return CaptionTrack(status, language="en" if lines else None, lines=lines, error=error)

    def rows(self, video_ids: Sequence[str], shard: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The tracks of one shard's videos, all at once: rows of ``captions`` and ``caption_fetches``."""
        batches = list(self.read(pl.Series(list(video_ids), dtype=pl.String)))
        lines = with_plain_texts(pl.concat([LINES.to_frame(), *(batch.lines for batch in batches)]))
        lines = lines.with_columns(pl.int_range(pl.len()).over("video_id").alias("line_index"), shard=pl.lit(shard))
        words = dict(lines.group_by("video_id").agg(pl.col("words").sum()).iter_rows())
        wrong: dict[str, list[str]] = {}
        for video_id, problem in pl.concat([PROBLEMS.to_frame(), *(batch.problems for batch in batches)]).iter_rows():
            wrong.setdefault(video_id, []).append(problem)
        tables, now = load_tables(), datetime.now(UTC)
        fetches = []
        for video_id in video_ids:
            status = "ok" if video_id in words else "failed" if video_id in wrong else "no_captions"
            language = "en" if status == "ok" else None
            error = self._error(wrong.get(video_id, []), status)
            fetches.append((shard, video_id, status, None, language, None, words.get(video_id, 0), 1, now, None, error))
        captions = lines.with_columns(word_starts_s=pl.lit(None, pl.List(pl.Float64)))
        return captions.select(list(tables["captions"].column_types)), tables["caption_fetches"].frame(fetches)

    def _error(self, problems: list[str], status: str) -> str | None:
        if problems:
            return f"{self.path.name}: {len(problems)} entries set aside, as {problems[0]}"
        return f"not in {self.path.name}" if status == "no_captions" else None

    @property
    def _key(self) -> str:
        state = self.path.stat()
        name = (str(self.path.absolute()), state.st_size, state.st_mtime_ns)
        return f"{self.path.stem}-{content_hash(name)}"

    @property
    def _unpacking_problems(self) -> Path:
        return self.cache / f"{self._key}.problems.json"

    @cached_property
    def _json(self) -> Path:
        """The file in the JSON form; a zip is brought into it first."""
        if self.path.suffix != ".zip":
            return self.path
        unpacked = self.cache / f"{self._key}.json"
        if not unpacked.exists():
            wrong: list[tuple[str, str]] = []
            write_caption_json(self._unpack(wrong), unpacked)
            self._unpacking_problems.write_text(json.dumps(wrong))
        return unpacked

    def _unpack(self, wrong: list[tuple[str, str]]) -> Iterator[Track]:
        for video_id, rows, problems in read_zip(self.path):
            wrong.extend((video_id, problem) for problem in problems)
            if rows:
                _, start, end, text = map(list, zip(*rows, strict=True))
                yield video_id, start, end, text


def with_plain_texts(lines: pl.DataFrame) -> pl.DataFrame:
    """``plain`` of each text, and in ``words`` how many words ``tokenize`` finds in it.

    Most texts are plain ASCII already. For these, and only for these, Rust's regular expressions agree with Python's.
    """
    text = pl.col("text")
    read = lines.select(
        "video_id",
        "line_index",
        "start_s",
        "end_s",
        "text",
        text.str.count_matches(r"[\w']+").cast(pl.Int64).alias("words"),
        (text.str.contains(_NOT_PLAIN) | (text.str.len_bytes() != text.str.len_chars())).alias("others"),
    )
    rows = read["others"].arg_true()
    spoken = [plain(text) for text in read["text"].gather(rows)]
    return read.drop("others").with_columns(
        read["text"].scatter(rows, pl.Series(spoken, dtype=pl.String)),
        read["words"].scatter(rows, pl.Series([len(tokenize(text)) for text in spoken], dtype=pl.Int64)),
    )

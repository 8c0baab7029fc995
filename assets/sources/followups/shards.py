"""Follow-up releases by shard of videos: each release is read once, as a stream, into Parquet files of the shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.captions.tracks import CaptionLine, CaptionTrack, ClipCaptions
from assets.outcomes import Problem
from assets.sharding import Sharding
from assets.sources.followups.records import ReleasedTrack, possible_tracks
from assets.sources.followups.temporal_alignment import Found, read_htm_aa, read_sentences, read_whisperx
from assets.sources.followups.written_captions import read_howtocaption, read_howtostep, read_vidchapters
from ml.files import content_hash, whole_folder
from ml.text.tokens import tokenize

READERS: dict[str, Callable[[Path], Found]] = {
    "htm_whisperx": read_whisperx,
    "htm_sentences": read_sentences,
    "htm_aa": read_htm_aa,
    "howtocaption": read_howtocaption,
    "howtocaption_grounded": read_howtocaption,
    "howtostep": read_howtostep,
    "vidchapters": read_vidchapters,
    "rewritten": read_sentences,
}
"""The reader of each release of ``assets.sources.followups.options``."""

VERSION = 1
"""Raise it when a reader makes something else of the same files."""

BUFFERED_ROWS = 100_000
"""Rows in memory before they are written."""

LINES = pl.Schema(
    {
        "video_id": pl.String(),
        "start_s": pl.Float64(),
        "end_s": pl.Float64(),
        "text": pl.String(),
        "score": pl.Float64(),
        "word_starts_s": pl.List(pl.Float64()),
    }
)
TRACKS = pl.Schema({"video_id": pl.String(), "problem": pl.String(), "spoken_language": pl.String()})


class ReleaseShards:
    """The captions of one release by shard.

    Args:
        release: its name among ``READERS``.
        path: its file or folder.
        cache: folder in which the shards of all releases are kept; older ones of this release are replaced.
    """

    def __init__(self, release: str, path: Path, cache: Path, sharding: Sharding) -> None:
        self.release, self.path, self.sharding = release, path, sharding
        self.folder = cache / release

    def prepare(self) -> dict[str, int]:
        """Read the release, unless that was done for these files; counts of videos, lines, and captions set aside."""
        summary = self._summary()
        if summary is None:
            with whole_folder(self.folder) as new:
                summary = self._write(new)
                (new / "summary.json").write_text(json.dumps(summary))
        return {name: summary[name] for name in ("videos", "lines", "set_aside")}

    def problems(self) -> list[Problem]:
        """What was set aside, with the name of its video or of its place in the release."""
        self.prepare()
        return [Problem(*each) for each in json.loads((self.folder / "problems.json").read_text())]

    def lines(self, shard: str) -> pl.DataFrame:
        """``LINES`` of the videos of a shard, by video and start; of equal lines of a video, the first."""
        self.prepare()
        rows = pl.read_parquet(self.folder / f"{shard}.lines.parquet")
        distinct = rows.unique(["video_id", "start_s", "end_s", "text"], keep="first", maintain_order=True)
        return distinct.sort("video_id", "start_s", maintain_order=True)

    def tracks(self, shard: str) -> pl.DataFrame:
        """video_id, problems (a list), spoken_language: a row per video of a shard that the release names."""
        self.prepare()
        rows = pl.read_parquet(self.folder / f"{shard}.tracks.parquet")
        of_video = rows.group_by("video_id", maintain_order=True)
        return of_video.agg(
            problems=pl.col("problem").drop_nulls(), spoken_language=pl.col("spoken_language").drop_nulls().first()
        )

    def _summary(self) -> dict[str, Any] | None:
        stored = self.folder / "summary.json"
        summary = json.loads(stored.read_text()) if stored.is_file() else None
        return summary if summary and summary["key"] == self._key() else None

    def _key(self) -> str:
        """Names the state of the files, the shards and the reader."""
        files = [self.path] if self.path.is_file() else sorted(each for each in self.path.rglob("*") if each.is_file())
        state = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
        return content_hash((VERSION, self.sharding.count, state))

    def _write(self, folder: Path) -> dict[str, Any]:
        lines, tracks = (
            _ShardWriter({shard: folder / f"{shard}.{name}.parquet" for shard in self.sharding.keys}, schema)
            for name, schema in (("lines", LINES), ("tracks", TRACKS))
        )
        counts = {"videos": 0, "lines": 0, "set_aside": 0}
        problems = folder / "problems.json"
        with lines, tracks, problems.open("w") as file:
            separator = "["
            for found in possible_tracks(self.path.name, READERS[self.release](self.path)):
                for problem in self._add(found, lines, tracks, counts):
                    file.write(separator + json.dumps([problem.name, problem.problem]))
                    separator = ",\n"
            file.write("[]" if separator == "[" else "]")
        counts["videos"] = sum(_videos_in(path) for path in folder.glob("*.tracks.parquet"))
        return {"key": self._key(), **counts}

    def _add(
        self, found: ReleasedTrack | Problem, lines: _ShardWriter, tracks: _ShardWriter, counts: dict[str, int]
    ) -> list[Problem]:
        if isinstance(found, Problem):
            counts["set_aside"] += 1
            return [found]
        shard, video_id = self.sharding.shard_of(found.video_id), found.video_id
        lines.add(shard, [(video_id, *vars(line).values()) for line in found.lines])
        reasons: list[str | None] = [*found.problems]
        tracks.add(shard, [(video_id, reason, found.spoken_language) for reason in reasons or [None]])
        counts["lines"] += len(found.lines)
        counts["set_aside"] += len(found.problems)
        return [Problem(f"{self.path.name}: {video_id}", problem) for problem in found.problems]


def _videos_in(path: Path) -> int:
    """Distinct videos of a file of tracks."""
    count: int = pl.scan_parquet(path).select(pl.col("video_id").n_unique()).collect().item()
    return count


class _ShardWriter:
    """Parquet files of the shards, one schema, written in turns so that few rows are in memory."""

    def __init__(self, paths: dict[str, Path], schema: pl.Schema) -> None:
        self.schema = schema
        self.arrow: pa.Schema = schema.to_frame().to_arrow().schema
        self.files = {shard: pq.ParquetWriter(path, self.arrow) for shard, path in paths.items()}
        self.rows: dict[str, list[tuple[Any, ...]]] = {shard: [] for shard in paths}
        self.buffered = 0

    def __enter__(self) -> _ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        for file in self.files.values():
            file.close()

    def add(self, shard: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self.rows[shard] += rows
        self.buffered += len(rows)
        if self.buffered >= BUFFERED_ROWS:
            self._flush()

    def _flush(self) -> None:
        for shard, rows in self.rows.items():
            if rows:
                frame = pl.DataFrame(rows, self.schema, orient="row")
                self.files[shard].write_table(frame.to_arrow().cast(self.arrow))
                rows.clear()
        self.buffered = 0


class ReleasedCaptions:
    """A release as the source of caption tracks, for clips that are made from it."""

    def __init__(self, shards: ReleaseShards) -> None:
        self.shards = shards
        self._of_shard = lru_cache(maxsize=1)(lambda shard: dict(self._tracks(shard)))

    def captions(self, video_id: str) -> CaptionTrack:
        """The track of the release; ``no_captions`` for a video that it does not have."""
        tracks: dict[str, CaptionTrack] = self._of_shard(self.shards.sharding.shard_of(video_id))
        name = self.shards.path.name
        return tracks.get(video_id) or CaptionTrack("no_captions", error=f"not in {name}")

    def _tracks(self, shard: str) -> Iterator[tuple[str, CaptionTrack]]:
        lines = self.shards.lines(shard).partition_by("video_id", as_dict=True)
        for video_id, problems, _ in self.shards.tracks(shard).iter_rows():
            rows = lines.get((video_id,))
            error = f"{len(problems)} entries set aside, as {problems[0]}" if problems else None
            if rows is None:
                yield video_id, CaptionTrack("failed", error=error)
            else:
                yield (
                    video_id,
                    CaptionTrack("ok", self.shards.release, "en", tuple(_lines(rows)), error=error),  # type: ignore[arg-type]
                )


def released(chosen: ClipCaptions, cache: Path, sharding: Sharding) -> ReleasedCaptions | None:
    """The tracks of the chosen release; None if the captions are those of the source."""
    if chosen.path is None:
        return None
    return ReleasedCaptions(ReleaseShards(chosen.release, chosen.path, cache, sharding))


def _lines(rows: pl.DataFrame) -> Iterator[CaptionLine]:
    for start_s, end_s, text, starts in rows.select("start_s", "end_s", "text", "word_starts_s").iter_rows():
        yield CaptionLine(start_s, end_s, text, tuple(zip(starts, text.split(), strict=True)) if starts else ())


def release_rows(shards: ReleaseShards, video_ids: Sequence[str], shard: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of ``release_captions`` and ``release_tracks`` of some videos of a shard."""
    wanted = pl.DataFrame({"video_id": sorted(video_ids)}, {"video_id": pl.String})
    key = {"shard": pl.lit(shard), "caption_source": pl.lit(shards.release)}
    lines = shards.lines(shard).join(wanted, on="video_id", how="semi")
    numbered = lines.with_columns(**key, line_index=pl.int_range(pl.len()).over("video_id"))
    words = lines.select("video_id", words=pl.col("text").map_elements(lambda text: len(tokenize(text)), pl.Int64))
    counted = words.group_by("video_id").agg(lines=pl.len(), word_count=pl.col("words").sum())
    tracks = wanted.join(shards.tracks(shard), on="video_id", how="left", maintain_order="left")
    tracks = tracks.join(counted, on="video_id", how="left", maintain_order="left")
    set_aside = pl.col("problems").list.len().fill_null(0)
    status = (
        pl.when(pl.col("lines") > 0)
        .then(pl.lit("ok"))
        .when(set_aside > 0)
        .then(pl.lit("failed"))
        .otherwise(pl.lit("no_captions"))
    )
    return numbered, tracks.with_columns(
        **key,
        status=status,
        lines=pl.col("lines").fill_null(0),
        word_count=pl.col("word_count").fill_null(0),
        set_aside=set_aside,
        error=pl.col("problems").list.first(),
    )

"""The captions of a HowTo100M release: one file of a million videos, read by video and never whole in memory.

See ``assets.captions.published`` for what one video's entry means.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from pydantic_core import from_json

from assets.captions.cues import CaptionError
from assets.captions.published import Row, csv_rows, parallel_rows
from assets.values import storable
from ml.machine import require_sound_machine

LARGEST_MEMBER_BYTES = 16_000_000
"""Bytes of a video's captions in a zip; a day of speech has fewer."""
FREE_MEMBER_BYTES = 1_000_000
MOST_EXPANSION = 100
"""A member of more than ``FREE_MEMBER_BYTES`` may unpack to so many times its size in the zip; text has about 4."""
SCAN_BYTES = 16_000_000
BATCH_BYTES = 16_000_000

ENTRIES = pl.Schema({"video_id": pl.String(), "start": pl.Int64(), "end": pl.Int64()})
"""Where a video's object is in the file: from its opening brace to behind its closing one, in bytes."""

LINES = pl.Schema(
    {
        "video_id": pl.String(),
        "line_index": pl.Int64(),
        "start_s": pl.Float64(),
        "end_s": pl.Float64(),
        "text": pl.String(),
    }
)

PROBLEMS = pl.Schema({"video_id": pl.String(), "problem": pl.String()})

_OPENING = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*(?:"([^"\\]*)"\s*:\s*(\{)|\}\s*$)')
_BORDER = re.compile(rb'\}\s*,\s*"([^"\\]*)"\s*:\s*\{')
_LONGEST_BORDER = 4096


@dataclass(frozen=True)
class Batch:
    """Lines of some videos as they are in the file (``LINES``), and what cannot be read of them (``PROBLEMS``)."""

    lines: pl.DataFrame
    problems: pl.DataFrame


def find_entries(path: Path) -> pl.DataFrame:
    """Where each video is in ``{"<video id>": {"start": [...], "end": [...], "text": [...]}, ...}`` (``ENTRIES``).

    An entry begins at ``}, "<id>": {``; what is between two of these is not parsed. Within a text, quotes are escaped,
    so that no text can look like the begin of a video's entry: at most, an entry seems to end too early, and
    ``read_entries`` reads on.

    Raises:
        CaptionError: the file is not a JSON object of objects.
    """
    frames = []
    with path.open("rb") as file:
        opening = _OPENING.match(file.read(_LONGEST_BORDER))
        if opening is None:
            raise CaptionError(f"{path.name}: not a JSON object of videos")
        if opening[1] is None:
            return ENTRIES.to_frame()
        begun = (opening[1], opening.start(2))
        for borders in _borders(file, opening.end()):
            begins = [begun, *((video_id, after - 1) for video_id, _, after in borders)]
            ends = [closing + 1 for _, closing, _ in borders]
            frames.append(_entries((*begin, end) for begin, end in zip(begins, ends, strict=False)))
            begun = begins[-1]
        frames.append(_entries([(*begun, _last_end(file))]))
    return pl.concat(frames)


def _entries(rows: Iterable[tuple[bytes, int, int]]) -> pl.DataFrame:
    named = [(video_id.decode("utf-8", "replace"), start, end) for video_id, start, end in rows]
    return pl.DataFrame(named, ENTRIES, orient="row")


def _borders(file: BinaryIO, start: int) -> Iterator[list[tuple[bytes, int, int]]]:
    """(id, position of the brace before, position behind the brace after) of each border, by stretches of the file."""
    file.seek(start)
    at, buffer = start, b""
    while fresh := file.read(SCAN_BYTES):
        buffer += fresh
        found = list(_BORDER.finditer(buffer))
        yield [(border[1], at + border.start(), at + border.end()) for border in found]
        done = max(found[-1].end() if found else 0, len(buffer) - _LONGEST_BORDER)
        at, buffer = at + done, buffer[done:]


def _last_end(file: BinaryIO) -> int:
    """Where the last entry ends: before the brace that closes the file, if that is there."""
    size = file.seek(0, 2)
    begin = max(size - _LONGEST_BORDER, 0)
    file.seek(begin)
    tail = file.read().rstrip()
    return begin + len(tail[:-1].rstrip() if tail.endswith(b"}") else tail)


def read_entries(path: Path, entries: pl.DataFrame) -> Iterator[Batch]:
    """The lines of some videos, batch by batch, in the order of the entries.

    Args:
        entries: rows of ``find_entries``, best in the order of the file.
    """
    with path.open("rb") as file:
        for batch in _batches(entries):
            yield _read_batch(file, batch)


def _batches(entries: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Runs of entries that are ``BATCH_BYTES`` long or little more."""
    number = (entries["end"] - entries["start"]).cum_sum() // BATCH_BYTES
    lengths = number.rle().struct.field("len").to_list()
    for first, length in zip(accumulate([0, *lengths]), lengths, strict=False):
        yield entries.slice(first, length)


def _read_batch(file: BinaryIO, entries: pl.DataFrame) -> Batch:
    columns = _Columns()
    doubtful = []
    for index, (_, start, end) in enumerate(entries.iter_rows()):
        file.seek(start)
        if not columns.add(index, file.read(end - start)):
            doubtful.append(index)
    frame = columns.frame(entries["video_id"])
    if frame is None:  # some value among all these is none that a frame can hold: find it
        frame, doubtful = LINES.to_frame(), list(range(entries.height))
    frames = [frame]
    problems: list[tuple[str, str]] = []
    for index in doubtful:
        video_id, start, end = entries.row(index)
        rows, wrong = _read_one(file, start, end)
        frames.append(pl.DataFrame([(video_id, *row) for row in rows], LINES, orient="row"))
        problems.extend((video_id, problem) for problem in wrong)
    return Batch(pl.concat(frames), pl.DataFrame(problems, PROBLEMS, orient="row"))


class _Columns:
    """The lists of many entries, one after the other. What has any fault is left to ``_read_one``."""

    def __init__(self) -> None:
        self.entries: list[int] = []
        self.lengths: list[int] = []
        self.start: list[Any] = []
        self.end: list[Any] = []
        self.text: list[Any] = []

    def add(self, index: int, content: bytes) -> bool:
        """Take an entry up; False if it is not JSON with three parallel lists that are not empty."""
        try:
            # The texts hardly repeat, so that caching them costs half of the speed.
            video = from_json(content, cache_strings="none")
            start, end, text = video["start"], video["end"], video["text"]
            if not (type(start) is type(end) is type(text) is list and 0 < len(start) == len(end) == len(text)):
                return False
            self.start += start
            self.end += end
            self.text += text
        except (ValueError, TypeError, KeyError):
            return False
        self.entries.append(index)
        self.lengths.append(len(start))
        return True

    def frame(self, video_ids: pl.Series) -> pl.DataFrame | None:
        """The lines, or None if a time is not a finite number or a text is not a string."""
        if not {*map(type, self.start), *map(type, self.end)} <= {float, int}:
            return None
        if not {*map(type, self.text)} <= {str}:
            return None
        videos = pl.DataFrame({"video_id": video_ids.gather(self.entries), "line_index": self.lengths})
        start_s = pl.Series("start_s", self.start, pl.Float64, strict=False)
        end_s = pl.Series("end_s", self.end, pl.Float64, strict=False)
        if not (start_s.is_finite().fill_null(False).all() and end_s.is_finite().fill_null(False).all()):
            return None
        numbered = videos.with_columns(pl.int_ranges("line_index").alias("line_index")).explode("line_index")
        return numbered.with_columns(start_s, end_s, pl.Series("text", self.text, pl.String))


# -- one entry --------------------------------------------------------------------------------------------------------


def _read_one(file: BinaryIO, start: int, end: int) -> tuple[list[Row], list[str]]:
    """The lines of one entry and what is wrong with it. If it ends in an open string, its end was none: read on."""
    size, length = file.seek(0, 2), end - start
    while True:
        file.seek(start)
        content = file.read(length)
        try:
            text = content.decode("utf-8", "surrogateescape")  # a line that is not UTF-8 is refused by itself
            video, read_to = json.JSONDecoder().raw_decode(text)
            break
        except (ValueError, RecursionError) as error:
            if "Unterminated string" not in str(error) or start + length >= size:
                return [], [f"not JSON ({error})"]
        length *= 2
    rows, problems = _judge(video)
    unread = text[read_to:].strip() if length == end - start else ""
    if unread:
        problems.append(f"what follows its entry is not read: {storable(unread[:60])}")
    return rows, problems


def _judge(video: Any) -> tuple[list[Row], list[str]]:
    try:
        rows, problems = parallel_rows(video, "entry")
    except CaptionError as error:
        return [], [str(error).removeprefix("entry: ")]
    if not rows and not problems:
        return [], ["has no lines"]
    return rows, [f"{problem.name.removeprefix('entry: ')}: {problem.problem}" for problem in problems]


# -- MIL-NCE's zip ----------------------------------------------------------------------------------------------------


def read_zip(path: Path) -> Iterator[tuple[str, list[Row], list[str]]]:
    """(video id, lines, what is wrong) of each member ``<video id>.csv``, in whichever folder of the zip it is.

    Raises:
        CaptionError: not a zip file.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        require_sound_machine(error)
        raise CaptionError(f"{path.name}: not a zip file ({error})") from error
    with archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield _read_member(archive, member)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[str, list[Row], list[str]]:
    name = Path(member.filename)
    if name.suffix != ".csv":
        return name.name, [], ["not a csv"]
    try:
        with archive.open(member) as file:
            content = file.read(LARGEST_MEMBER_BYTES + 1)  # the size in the directory of the zip may be wrong
        allowed = min(max(FREE_MEMBER_BYTES, MOST_EXPANSION * member.compress_size), LARGEST_MEMBER_BYTES)
        if len(content) > allowed:
            return name.stem, [], [f"unpacks from {member.compress_size:,} to {len(content):,} bytes or more; not read"]
        rows, problems = csv_rows(content, name.name)
    except CaptionError as error:
        return name.stem, [], [str(error).removeprefix(f"{name.name}: ")]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        require_sound_machine(error)
        return name.stem, [], [f"cannot be unpacked ({error})"]
    if not rows and not problems:
        return name.stem, [], ["has no lines"]
    return (
        name.stem,
        rows,
        [f"{problem.name.removeprefix(f'{name.name}: ')}: {problem.problem}" for problem in problems],
    )

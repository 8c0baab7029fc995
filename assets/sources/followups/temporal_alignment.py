"""Readers of the releases of Temporal Alignment Networks (TengdaHan/TemporalAlignNet): sentences, HTM-AA, WhisperX."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.captions.cues import CaptionError
from assets.outcomes import Problem
from assets.sources.followups.archives import StoredFile, stored_files
from assets.sources.followups.records import (
    ReleasedTrack,
    ReleaseError,
    add_line,
    checked_track,
)
from assets.sources.howto100m_release.captions import find_entries, read_entries
from assets.values import parse_json, shown

Found = Iterator[ReleasedTrack | Problem]

HTM_AA_CLIP_S = 5
"""Seconds of a clip of HTM-AA: the shortest one that the joint embedding is trained on without extending it."""

_HTM_AA_HEADER = ["vid", "timestamp", "text"]


def read_sentences(path: Path) -> Found:
    """``sentencified_htm_*.json``: by video id, the parallel lists ``text``, ``start`` and ``end`` (seconds).

    Raises:
        ReleaseError: the file is not an object of objects.
    """
    try:
        entries = find_entries(path)
    except CaptionError as error:
        raise ReleaseError(str(error)) from error
    for batch in read_entries(path, entries):
        for (video_id,), rows in batch.lines.group_by("video_id", maintain_order=True):
            yield checked_track(str(video_id), rows.select("start_s", "end_s", "text").iter_rows())
        for video_id, problem in batch.problems.iter_rows():
            yield ReleasedTrack(video_id, problems=[problem])


def read_htm_aa(path: Path) -> Found:
    """``htm_aa_v1.csv``: ``vid,timestamp,text``, where the timestamp is the whole second that shows the text.

    A row has no end. Its line is the ``HTM_AA_CLIP_S`` seconds around that second.

    Raises:
        ReleaseError: another header.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if header != _HTM_AA_HEADER:
            raise ReleaseError(f"{path.name}: its header is {shown(','.join(header))}, not {','.join(_HTM_AA_HEADER)}")
        track: ReleasedTrack | None = None
        while True:
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                yield Problem(f"{path.name}: line {reader.line_num}", f"no row of a csv ({error})")
                continue
            if len(row) != len(_HTM_AA_HEADER):
                yield Problem(f"{path.name}: line {reader.line_num}", f"{len(row)} fields instead of 3")
                continue
            video_id, second, text = row
            if track is None or track.video_id != video_id:
                if track is not None:
                    yield track
                track = ReleasedTrack(video_id)
            _add_second(track, reader.line_num, second, text)
        if track is not None:
            yield track


def _add_second(track: ReleasedTrack, line: int, second: str, text: str) -> None:
    if not (second.isascii() and second.isdigit() and len(second) < 10):
        track.problems.append(f"line {line}: timestamp is {shown(second)}")
    else:
        start = max(int(second) - HTM_AA_CLIP_S // 2, 0)
        add_line(track, line, start, start + HTM_AA_CLIP_S, text)


def read_whisperx(path: Path) -> Found:
    """The WhisperX transcripts: a JSON file per video, in a folder or in the archives ``video_*_part*.tar.gz``.

    The text of a video in another language is its translation to English; ``spoken_language`` says so, and such lines
    have no word times. Words that the aligner gave no time (numerals, symbols) begin where the word before them ends.
    """
    for file in stored_files(path, (".json",)):
        yield _transcript(file)


def _transcript(file: StoredFile) -> ReleasedTrack | Problem:
    if not file.name.endswith(".json"):
        return Problem(file.name, file.problem or "no file of a video")
    track = ReleasedTrack(file.name.removesuffix(".json"))
    if file.problem is not None:
        track.problems.append(file.problem)
        return track
    try:
        document = parse_json(file.content)
    except ValueError as error:
        track.problems.append(f"not JSON ({error})")
        return track
    segments = document.get("segments") if isinstance(document, dict) else None
    if not isinstance(segments, list):
        track.problems.append("not an object with the list segments")
        return track
    language = document.get("language")
    track.spoken_language = language if isinstance(language, str) else None
    for index, segment in enumerate(segments):
        if isinstance(segment, dict):
            _add_segment(track, index, segment)
        else:
            track.problems.append(f"line {index}: {shown(segment)} instead of an object")
    if not segments:
        track.problems.append("has no lines")
    return track


def _add_segment(track: ReleasedTrack, index: int, segment: dict[str, Any]) -> None:
    start, end, text = (segment.get(key) for key in ("start", "end", "text"))
    words = segment.get("words")
    add_line(track, index, start, end, text, word_starts_s=_word_starts(words, text, start))


def _word_starts(words: Any, text: Any, start: Any) -> list[float] | None:
    """The start of each word of ``text``, or None if the words are not those of the text or none has a time."""
    if not isinstance(words, list) or not isinstance(text, str) or not words:
        return None
    spoken = [word.get("word") if isinstance(word, dict) else None for word in words]
    if spoken != text.split() or not any(_is_time(word.get("start")) for word in words):
        return None
    starts, latest = [], float(start) if _is_time(start) else 0.0
    for word in words:
        starts.append(float(word["start"]) if _is_time(word.get("start")) else latest)
        latest = float(word["end"]) if _is_time(word.get("end")) else starts[-1]
    return starts


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e7

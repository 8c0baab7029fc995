"""Readers of captions that models or users wrote: HowToCaption, HowToStep, and the chapters of VidChapters-7M."""

from __future__ import annotations

import io
import json
import pickle
import zlib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from assets.captions.cues import CaptionError
from assets.captions.published import parallel_rows
from assets.outcomes import Problem
from assets.sources.followups.archives import LARGEST_FILE_BYTES, StoredFile, stored_files
from assets.sources.followups.plain_pickle import pickled_entries
from assets.sources.followups.records import (
    ReleasedTrack,
    ReleaseError,
    add_line,
    checked_track,
    score_of,
)
from assets.sources.followups.temporal_alignment import Found, read_sentences
from assets.sources.howto100m_release.captions import find_entries
from assets.values import parse_json, shown

PICKLES = (".pickle", ".pkl")


def read_howtocaption(path: Path) -> Found:
    """A pickle of HowToCaption: by video id, ``start`` and ``end`` (seconds) of clips and the captions of each.

    ``text`` has a list per clip: of texts in the filtered variants, of (text, score) in the unfiltered ones. In the
    zipped variant an entry is that object as compressed JSON. The clips are not sorted, and overlap.

    Raises:
        ReleaseError: not a pickle of plain data.
    """
    for key, entry in pickled_entries(path):
        if not isinstance(key, str):
            yield Problem(f"{path.name}: {shown(key)}", "no id of a video")
            continue
        track = ReleasedTrack(key)
        try:
            _add_clips(track, _unzipped(entry) if isinstance(entry, bytes) else entry)
        except ValueError as error:
            track.problems.append(str(error))
        yield track


def _unzipped(data: bytes) -> Any:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, LARGEST_FILE_BYTES)
    except zlib.error as error:
        raise ValueError(f"cannot be unpacked ({error})") from error
    if not unpacker.eof:
        raise ValueError("is cut off" if not unpacker.unconsumed_tail else "unpacks to more than a video's captions")
    try:
        return parse_json(content)
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from error


def _add_clips(track: ReleasedTrack, entry: Any) -> None:
    """Add the captions of all clips of an entry.

    Raises:
        ValueError: the entry has not the three parallel lists.
    """
    starts, ends, texts = (entry.get(key) if isinstance(entry, dict) else None for key in ("start", "end", "text"))
    if not (isinstance(starts, list) and isinstance(ends, list) and isinstance(texts, list)):
        raise ValueError("not an object with the lists start, end and text")
    if not len(starts) == len(ends) == len(texts):
        raise ValueError(f"{len(starts)} starts, {len(ends)} ends and {len(texts)} texts")
    for index, (start, end, captions) in enumerate(zip(starts, ends, texts, strict=True)):
        if not isinstance(captions, list):
            track.problems.append(f"line {index}: {shown(captions)} instead of a list of captions")
            continue
        for caption in captions:
            text, score = caption if isinstance(caption, list | tuple) and len(caption) == 2 else (caption, None)
            add_line(track, index, start, end, text, score=score_of(score))
    if not starts:
        track.problems.append("has no lines")


def read_howtostep(path: Path) -> Found:
    """HowToStep: by video, the parallel lists ``start``, ``end`` (seconds) and ``text``.

    Either one JSON file of all videos, or a file ``<id>.pth`` or ``<id>.json`` per video, in a folder or in archives.
    A ``.pth`` file is read as weights are, so that it cannot run code. The layout of the published archive is not
    documented; these are the forms that its authors' training code reads (Lzq5/Video-Text-Alignment).
    """
    if path.is_file() and path.suffix == ".json":
        yield from read_sentences(path)
        return
    for file in stored_files(path, (".pth", ".json")):
        yield _steps(file)


def _steps(file: StoredFile) -> ReleasedTrack | Problem:
    name = Path(file.name)
    if name.suffix not in (".pth", ".json"):
        return Problem(file.name, file.problem or "no file of a video")
    track = ReleasedTrack(name.stem)
    try:
        if file.problem is not None:
            raise ValueError(file.problem)
        entry = _tensors(file.content) if name.suffix == ".pth" else parse_json(file.content)
        rows, problems = parallel_rows(entry, "entry")
    except (ValueError, CaptionError) as error:
        track.problems.append(str(error).removeprefix("entry: "))
        return track
    for index, start, end, text in rows:
        add_line(track, index, start, end, text)
    track.problems += [f"{each.name.removeprefix('entry: ')}: {each.problem}" for each in problems]
    return track


def _tensors(content: bytes) -> Any:
    import torch

    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ValueError(f"no file of plain tensors ({str(error).splitlines()[0][:100]})") from error


def read_vidchapters(path: Path) -> Found:
    """``chapters.json`` or ``.pkl`` of VidChapters-7M: by video id, ``chapters`` with ``label`` and ``time`` (s).

    A chapter ends where the next one begins, the last one at the ``duration`` of the video.

    Raises:
        ReleaseError: neither JSON nor a pickle of plain data.
    """
    entries = pickled_entries(path) if path.suffix in PICKLES else _json_entries(path)
    for key, entry in entries:
        if isinstance(key, str):
            yield _chapters(key, entry)
        else:
            yield Problem(f"{path.name}: {shown(key)}", "no id of a video")


def _chapters(video_id: str, entry: Any) -> ReleasedTrack:
    listed = entry.get("chapters") if isinstance(entry, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
        problem = f"not JSON ({entry})" if isinstance(entry, ValueError) else "not an object with the list chapters"
        return ReleasedTrack(video_id, problems=[problem])
    times = [*(each.get("time") for each in listed), entry.get("duration")]
    return checked_track(
        video_id, ((start, end, each.get("label")) for (start, end), each in zip(pairwise(times), listed, strict=True))
    )


def _json_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """(id, entry) of each video of a JSON object; of an entry that is no JSON, the error.

    The borders between entries are found by their form, so that an object within an entry can look like one. What is
    no JSON is therefore read on, up to the next borders.
    """
    try:
        found = find_entries(path)
    except CaptionError as error:
        raise ReleaseError(str(error)) from error
    with path.open("rb") as file:
        number = 0
        while number < len(found):
            video_id, start, _ = found.row(number)
            entry: Any = None
            number += 1
            for last in range(number - 1, min(number - 1 + _MOST_OBJECTS, len(found))):
                file.seek(start)
                try:
                    entry, length = _first_value(file.read(found.row(last)[2] - start))
                except (ValueError, RecursionError) as error:
                    entry = entry or ValueError(str(error))
                else:
                    while number < len(found) and found.row(number)[1] < start + length:
                        number += 1
                    break
            yield video_id, entry


def _first_value(content: bytes) -> tuple[Any, int]:
    """The JSON value that a text begins with, and its length in bytes; what follows is another entry, if it is one.

    Raises:
        ValueError: the text does not begin with a JSON value.
    """
    text = content.decode("utf-8", "surrogateescape")
    value, length = json.JSONDecoder().raw_decode(text)
    return value, len(text[:length].encode("utf-8", "surrogateescape"))


_MOST_OBJECTS = 8
"""Objects within an entry that are read as parts of it."""

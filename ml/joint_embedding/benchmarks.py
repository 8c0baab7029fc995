"""YouCook2, MSR-VTT and LSMDC in the published file formats of HowTo100M's evaluation, read and written.

Features are already pooled to one vector per clip and stream. Errors name the file and the line. See
``ml.joint_embedding.benchmark_evaluation`` for the metrics.
"""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ml.joint_embedding.clip_features import STREAMS, read_features, read_pickle, stack
from ml.reading import csv_rows, json_document, parsed, seconds, tab_rows, text_of
from ml.text.tokens import published_tokens
from ml.text.word_vectors import WordVectors, pad

MSRVTT_COLUMNS = ("key", "vid_key", "video_id", "sentence")
LSMDC_COLUMNS, LSMDC_SENTENCE = 6, 5


@dataclass(frozen=True)
class EvaluationSet:
    """Clips with their captions.

    Args:
        name, split: the benchmark, and which part of it.
        ids: one per clip, all different.
        streams: feature vectors ``[clips, dim]`` with the file's dtype, by ``STREAMS``.
        captions: texts.
        clip_of_caption: row of each caption's clip ``[captions]``.

    Raises:
        ValueError: an id occurs twice, a feature is not a finite number, or arrays do not fit together.
    """

    name: str
    split: str
    ids: list[str]
    streams: dict[str, NDArray[np.floating]]
    captions: list[str]
    clip_of_caption: NDArray[np.int64]

    def __post_init__(self) -> None:
        clip, times = Counter(self.ids).most_common(1)[0] if self.ids else ("", 1)
        if times > 1:
            raise ValueError(f"{self}: clip {clip} occurs {times} times")
        if len(self.captions) != len(self.clip_of_caption):
            raise ValueError(f"{self}: {len(self.captions)} captions, clips of {len(self.clip_of_caption)}")
        for stream, vectors in self.streams.items():
            if len(vectors) != len(self.ids):
                raise ValueError(f"{self}: {len(self.ids)} clips, {stream} features of {len(vectors)}")
            broken = np.flatnonzero(~np.isfinite(vectors).all(1))
            if len(broken):
                raise ValueError(f"{self}: the {stream} features of {self.ids[broken[0]]} are not finite numbers")

    def __str__(self) -> str:
        return f"{self.name} {self.split}"

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """All streams L2-normalised and concatenated: ``[clips, dim]``."""
        parts = [torch.from_numpy(np.ascontiguousarray(vectors)).float() for vectors in self.streams.values()]
        return torch.cat([torch.nn.functional.normalize(part, dim=1) for part in parts], 1).numpy()

    def part(self, clips: NDArray[np.int64]) -> EvaluationSet:
        """The clips of some rows, in that order, with their captions."""
        place = np.full(len(self.ids), -1)
        place[clips] = np.arange(len(clips))
        kept = np.flatnonzero(place[self.clip_of_caption] >= 0)
        return replace(
            self,
            ids=[self.ids[clip] for clip in clips],
            streams={stream: vectors[clips] for stream, vectors in self.streams.items()},
            captions=[self.captions[caption] for caption in kept],
            clip_of_caption=place[self.clip_of_caption[kept]],
        )


class ClipPlace(NamedTuple):
    """A clip's video, start and end in seconds; without an end, the rest of the video."""

    video_id: str
    start_s: float = 0.0
    end_s: float | None = None


class BenchmarkPairs:
    """An evaluation set to learn from (``ml.joint_embedding.pairs.PairSource``): each clip counts as a video.

    So one caption of each clip is drawn per epoch, as in the published fine-tuning (``youcook_dataloader.py`` and the
    like of the public code). Captions without a known word are left out, and so are clips that have no other;
    ``without_words`` counts these captions.
    """

    def __init__(self, source: EvaluationSet, words: WordVectors) -> None:
        ids = pad(words.ids(source.captions, tokens=published_tokens))
        known = np.flatnonzero(ids.any(1))
        order = known[np.argsort(source.clip_of_caption[known], kind="stable")]
        self.ids, self._clip = ids[order], source.clip_of_caption[order]
        self._vectors = source.vectors
        self.without_words = len(ids) - len(known)
        self.dim = self._vectors.shape[1]
        self.offsets = np.append(np.unique(self._clip, return_index=True)[1], len(order))
        digest = hashlib.sha256(self._vectors.tobytes())
        self.identity = hashlib.sha256(digest.digest() + self._clip.tobytes() + self.ids.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        return self._vectors[self._clip[pairs]], self.ids[pairs]


def read_youcook2(path: Path, split: str) -> EvaluationSet:
    """A pickled list of ``{'2d': vector, '3d': vector, 'caption': str, 'id': str}``, one caption per clip.

    Only arrays, lists, dicts, strings and numbers are read: a pickle that would call anything else is refused.

    Raises:
        ValueError: the file is not such a list, or not such a pickle.
    """
    rows = read_pickle(path)
    fields = {*STREAMS, "caption", "id"}
    if not isinstance(rows, list):
        raise ValueError(f"{path}: holds a {type(rows).__name__}, not a list of clips")
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not fields <= set(row):
            raise ValueError(f"{path}: entry {number} is not a dict with {', '.join(sorted(fields))}")
    ids = [parsed(f"{path}: entry {number}", _identifier, row["id"]) for number, row in enumerate(rows)]
    captions = [parsed(f"{path}: entry {number}", _caption, row["caption"]) for number, row in enumerate(rows)]
    streams = {
        stream: stack({each: row[stream] for each, row in zip(ids, rows, strict=True)}, path, stream)
        for stream in STREAMS
        if len(set(ids)) == len(ids)
    }
    return _of_file(path, "YouCook2", split, ids, captions, streams=streams)


def list_youcook2(path: Path, split: str) -> tuple[EvaluationSet, list[ClipPlace]]:
    """A csv with the columns ``end, start, task, text, video_id``: clips without features, and their places.

    Raises:
        ValueError: a column is missing, or a time is not a number.
    """
    ids: list[str] = []
    captions: list[str] = []
    places: list[ClipPlace] = []
    for number, row in _csv_columns(path, ("end", "start", "text", "video_id")):
        place = parsed(f"{path}:{number}", _place, row)
        ids.append(f"{place.video_id}_{len(places)}")
        captions.append(row["text"])
        places.append(place)
    return _of_file(path, "YouCook2", split, ids, captions), places


def write_youcook2(data: EvaluationSet, path: Path) -> None:
    """The file that ``read_youcook2`` reads.

    Raises:
        ValueError: a clip has not exactly one caption.
    """
    rows = [
        {
            **{stream: vectors[clip] for stream, vectors in data.streams.items()},
            "caption": caption,
            "id": data.ids[clip],
        }
        for clip, caption in enumerate(_caption_of_clip(data))
    ]
    path.write_bytes(pickle.dumps(rows, protocol=4))


def read_msrvtt_test(rows: Path, features: Path) -> EvaluationSet:
    """The 1k-A test set of JSFusion: a csv with the columns ``video_id, sentence``, and a ``.pth`` of features.

    Raises:
        ValueError: a column or the features of a video are missing.
    """
    return _with_features(list_msrvtt_test(rows), features)


def list_msrvtt_test(rows: Path) -> EvaluationSet:
    """The same without features."""
    listed = [row for _, row in _csv_columns(rows, ("video_id", "sentence"))]
    return _of_file(
        rows, "MSR-VTT", "test 1k-A", [row["video_id"] for row in listed], [row["sentence"] for row in listed]
    )


def write_msrvtt_test(data: EvaluationSet, rows: Path, features: Path) -> None:
    """The files that ``read_msrvtt_test`` reads.

    Raises:
        ValueError: a clip has not exactly one caption.
    """
    captions = _caption_of_clip(data)
    entries = [(f"ret{row}", f"msr-{i}", i, text) for row, (i, text) in enumerate(zip(data.ids, captions, strict=True))]
    _write_csv(rows, [MSRVTT_COLUMNS, *entries])
    write_features([data], features)


def read_msrvtt(rows: Path, sentences: Path, features: Path, split: str) -> EvaluationSet:
    """MSR-VTT with all captions of each video, for training and for the full test set.

    Args:
        rows: csv with a column ``video_id``: the videos of the split.
        sentences: json ``{"sentences": [{"video_id": ..., "caption": ...}]}`` of all videos.
        features: ``.pth`` of features.

    Raises:
        ValueError: a column is missing, or a video has no features or no caption.
    """
    return _with_features(list_msrvtt(rows, sentences, split), features)


def list_msrvtt(rows: Path, sentences: Path, split: str) -> EvaluationSet:
    """The same without features."""
    ids = [row["video_id"] for _, row in _csv_columns(rows, ("video_id",))]
    clip_of = {video: row for row, video in enumerate(ids)}
    document = json_document(sentences)
    entries = document.get("sentences") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f"{sentences}: need an object with a list 'sentences'")
    captions, clip_of_caption = [], []
    for number, entry in enumerate(entries):
        video_id, caption = parsed(f"{sentences}: sentences[{number}]", _sentence, entry)
        if video_id in clip_of:
            captions.append(caption)
            clip_of_caption.append(clip_of[video_id])
    silent = np.setdiff1d(np.arange(len(ids)), clip_of_caption)
    if len(silent):
        raise ValueError(f"{sentences}: no caption of {ids[int(silent[0])]}, which {rows.name} lists")
    return _of_file(rows, "MSR-VTT", split, ids, captions, np.array(clip_of_caption, np.int64))


def write_msrvtt(data: EvaluationSet, rows: Path, sentences: Path, features: Path) -> None:
    """The files that ``read_msrvtt`` reads."""
    _write_csv(rows, [("video_id",), *((i,) for i in data.ids)])
    entries = [
        {"caption": caption, "video_id": data.ids[clip], "sen_id": number}
        for number, (caption, clip) in enumerate(zip(data.captions, data.clip_of_caption, strict=True))
    ]
    sentences.write_text(json.dumps({"sentences": entries}), encoding="utf-8")
    write_features([data], features)


def read_lsmdc(rows: Path, features: Path, split: str) -> EvaluationSet:
    """Tab-separated rows without a header, clip id in the first column, sentence in the sixth; a ``.pth`` of features.

    Raises:
        ValueError: a row is too short, or the features of a clip are missing.
    """
    return _with_features(list_lsmdc(rows, split), features)


def list_lsmdc(rows: Path, split: str) -> EvaluationSet:
    """The same without features. A quotation mark is a part of its sentence."""
    listed = [row for _, row in tab_rows(rows, LSMDC_COLUMNS)]
    return _of_file(rows, "LSMDC", split, [row[0] for row in listed], [row[LSMDC_SENTENCE] for row in listed])


def write_lsmdc(data: EvaluationSet, rows: Path, features: Path) -> None:
    """The files that ``read_lsmdc`` reads; the columns between, times in the film, are left empty.

    Raises:
        ValueError: a clip has not exactly one caption, or a field holds a tab or a line break.
    """
    between = [""] * (LSMDC_SENTENCE - 1)
    entries = [[i, *between, caption] for i, caption in zip(data.ids, _caption_of_clip(data), strict=True)]
    for entry in entries:
        if any(character in field for field in entry for character in "\t\r\n"):
            raise ValueError(f"{data}: the caption of {entry[0]} holds a tab or a line break, which this format cannot")
    rows.write_text("".join("\t".join(entry) + "\n" for entry in entries), encoding="utf-8")
    write_features([data], features)


def write_features(sets: Sequence[EvaluationSet], path: Path) -> None:
    """A ``.pth`` of the features of all clips of some sets, which may share clips."""
    # Each tensor is copied: a row of a matrix would be stored with the whole matrix.
    stored = {
        stream: {
            i: torch.from_numpy(data.streams[stream][clip].copy()) for data in sets for clip, i in enumerate(data.ids)
        }
        for stream in STREAMS
    }
    torch.save(stored, path)


def _with_features(listed: EvaluationSet, path: Path) -> EvaluationSet:
    return replace(listed, streams=read_features(path, listed.ids))


def _of_file(
    path: Path,
    name: str,
    split: str,
    ids: list[str],
    captions: list[str],
    clip_of_caption: NDArray[np.int64] | None = None,
    streams: dict[str, NDArray[np.floating]] | None = None,
) -> EvaluationSet:
    """An evaluation set, one caption per clip unless stated; what is wrong with it names the file."""
    try:
        clips = np.arange(len(ids)) if clip_of_caption is None else clip_of_caption
        return EvaluationSet(name, split, ids, streams or {}, captions, clips)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _identifier(value: Any) -> str:
    return text_of(value, "id")


def _caption(value: Any) -> str:
    return text_of(value, "caption")


def _place(row: dict[str, str]) -> ClipPlace:
    place = ClipPlace(row["video_id"], seconds(row["start"]), seconds(row["end"]))
    if not place.video_id or place.end_s is None or not 0 <= place.start_s <= place.end_s:
        raise ValueError(f"no clip from {row['start']} to {row['end']} seconds of a video {row['video_id']!r}")
    return place


def _sentence(entry: Any) -> tuple[str, str]:
    return text_of(entry["video_id"], "video_id"), text_of(entry["caption"], "caption")


def _caption_of_clip(data: EvaluationSet) -> list[str]:
    counts = np.bincount(data.clip_of_caption, minlength=len(data.ids))
    if len(data.ids) and (counts != 1).any():
        clip = int(np.flatnonzero(counts != 1)[0])
        raise ValueError(f"{data}: {data.ids[clip]} has {counts[clip]} captions; this format holds exactly one")
    return [data.captions[caption] for caption in np.argsort(data.clip_of_caption)]


def _csv_columns(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The numbered rows of a csv with a header, with at least these columns."""
    rows = csv_rows(path)
    header = next(rows, (1, []))[1]
    missing = set(columns) - set(header)
    if missing:
        raise ValueError(f"{path}:1: no column {', '.join(sorted(missing))}")
    found = []
    for number, row in rows:
        if len(row) not in (0, len(header)):
            raise ValueError(f"{path}:{number}: {len(row)} fields instead of {len(header)}")
        found += [(number, dict(zip(header, row, strict=True)))] if row else []
    return found


def _write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)

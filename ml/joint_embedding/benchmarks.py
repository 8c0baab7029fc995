"""Benchmarks of text–video retrieval in their published file formats (the HowTo100M evaluation files).

Belongs here: YouCook2, MSR-VTT and LSMDC, read and written, with features that are already pooled to one vector a clip
and stream. What is measured on them is ``ml.joint_embedding.benchmark_evaluation``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ml.text.word_vectors import WordVectors, pad

STREAMS = ("2d", "3d")
MSRVTT_COLUMNS = ("key", "vid_key", "video_id", "sentence")
LSMDC_COLUMNS, LSMDC_SENTENCE = 6, 5


@dataclass(frozen=True)
class EvaluationSet:
    """Clips with their captions.

    Args:
        name, split: of which benchmark, and which part of it.
        ids: one a clip, all different.
        streams: feature vectors ``[clips, dim]`` as the file has them, by ``STREAMS``.
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
        """Each stream L2-normalised, side by side: ``[clips, dim]``."""
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
    """Where a clip is: a video, and from when to when in seconds; all of the video where no end is told."""

    video_id: str
    start_s: float = 0.0
    end_s: float | None = None


class BenchmarkPairs:
    """An evaluation set to learn from (``ml.joint_embedding.pairs.PairSource``): each clip is a video of its own.

    So one caption of each clip is drawn an epoch, as the published fine-tuning does. Captions without a known word are
    left out, and so are clips that have no other; ``without_words`` counts these captions.
    """

    def __init__(self, source: EvaluationSet, words: WordVectors) -> None:
        ids = pad(words.ids(source.captions))
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
    """A pickled list of ``{'2d': vector, '3d': vector, 'caption': str, 'id': str}``, one caption a clip.

    Only arrays, lists, dicts, strings and numbers are read: a pickle that would call anything else is refused.

    Raises:
        ValueError: the file is not such a list, or not such a pickle.
    """
    with path.open("rb") as file:
        try:
            rows = _PlainUnpickler(file, encoding="latin1").load()  # of Python 2, array bytes are text in latin1
        except (EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f"{path}: not a pickle of clips: {error}") from error
    fields = {*STREAMS, "caption", "id"}
    if not isinstance(rows, list):
        raise ValueError(f"{path}: holds a {type(rows).__name__}, not a list of clips")
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not fields <= set(row):
            raise ValueError(f"{path}: entry {number} is not a dict with {', '.join(sorted(fields))}")
    streams = {stream: _stack({row["id"]: row[stream] for row in rows}, path, stream) for stream in STREAMS}
    captions = [str(row["caption"]) for row in rows]
    return EvaluationSet("YouCook2", split, [row["id"] for row in rows], streams, captions, np.arange(len(rows)))


def list_youcook2(path: Path, split: str) -> tuple[EvaluationSet, list[ClipPlace]]:
    """A csv with the columns ``end, start, task, text, video_id``: clips, without features, and where they are.

    Raises:
        ValueError: a column is missing, or a time is not a number.
    """
    rows = _csv_columns(path, ("end", "start", "text", "video_id"))
    places = []
    for number, row in enumerate(rows, 2):
        try:
            places.append(ClipPlace(row["video_id"], float(row["start"]), float(row["end"])))
        except ValueError:
            raise ValueError(f"{path}: line {number}: {row['start']}, {row['end']} are not seconds") from None
    ids = [f"{place.video_id}_{number}" for number, place in enumerate(places)]
    return EvaluationSet("YouCook2", split, ids, {}, [row["text"] for row in rows], np.arange(len(ids))), places


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
    listed = _csv_columns(rows, ("video_id", "sentence"))
    ids, captions = [row["video_id"] for row in listed], [row["sentence"] for row in listed]
    return EvaluationSet("MSR-VTT", "test 1k-A", ids, {}, captions, np.arange(len(ids)))


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
    ids = [row["video_id"] for row in _csv_columns(rows, ("video_id",))]
    place = {video: row for row, video in enumerate(ids)}
    entries = json.loads(sentences.read_text(encoding="utf-8"))["sentences"]
    wanted = [entry for entry in entries if entry["video_id"] in place]
    clip_of_caption = np.array([place[entry["video_id"]] for entry in wanted], np.int64)
    silent = np.setdiff1d(np.arange(len(ids)), clip_of_caption)
    if len(silent):
        raise ValueError(f"{sentences}: no caption of {ids[silent[0]]}, which {rows.name} lists")
    captions = [entry["caption"] for entry in wanted]
    return EvaluationSet("MSR-VTT", split, ids, {}, captions, clip_of_caption)


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
    """The same without features."""
    with rows.open(encoding="utf-8", newline="") as file:
        listed = list(csv.reader(file, delimiter="\t"))
    for number, row in enumerate(listed, 1):
        if len(row) < LSMDC_COLUMNS:
            raise ValueError(f"{rows}: row {number} has {len(row)} tab-separated columns; need {LSMDC_COLUMNS}")
    ids, captions = [row[0] for row in listed], [row[LSMDC_SENTENCE] for row in listed]
    return EvaluationSet("LSMDC", split, ids, {}, captions, np.arange(len(ids)))


def write_lsmdc(data: EvaluationSet, rows: Path, features: Path) -> None:
    """The files that ``read_lsmdc`` reads; the columns between, times in the film, are left empty.

    Raises:
        ValueError: a clip has not exactly one caption.
    """
    between = [""] * (LSMDC_SENTENCE - 1)
    entries = [[i, *between, caption] for i, caption in zip(data.ids, _caption_of_clip(data), strict=True)]
    _write_csv(rows, entries, delimiter="\t")
    write_features([data], features)


class _PlainUnpickler(pickle.Unpickler):
    """Reads nothing but plain data and numpy arrays."""

    ALLOWED = frozenset(
        (f"{package}.{module}", name)
        for package in ("numpy.core", "numpy._core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    ) | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}; only arrays and plain data are read")
        return super().find_class(module, name)


def _with_features(listed: EvaluationSet, path: Path) -> EvaluationSet:
    """The clips with their features from a ``.pth`` of ``{'2d': {id: tensor}, '3d': {id: tensor}}``."""
    ids = listed.ids
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: not a file of tensors alone: {error}") from error
    if not isinstance(stored, dict) or not set(STREAMS) <= set(stored):
        raise ValueError(f"{path}: need a dict with {' and '.join(STREAMS)}, each of tensors by clip id")
    for stream in STREAMS:
        missing = [each for each in ids if each not in stored[stream]]
        if missing:
            raise ValueError(f"{path}: no {stream} features of {missing[0]} and {len(missing) - 1} more clips")
    streams = {stream: _stack({i: stored[stream][i].numpy() for i in ids}, path, stream) for stream in STREAMS}
    return replace(listed, streams=streams)


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


def _stack(vectors: Mapping[str, NDArray[np.floating]], path: Path, stream: str) -> NDArray[np.floating]:
    shapes = {np.shape(vector): clip for clip, vector in vectors.items()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ValueError(
            f"{path}: the {stream} features differ in shape: {', '.join(f'{s} of {i}' for s, i in shapes.items())}"
        )
    return np.stack([np.asarray(vector) for vector in vectors.values()]) if vectors else np.empty((0, 0), np.float32)


def _caption_of_clip(data: EvaluationSet) -> list[str]:
    counts = np.bincount(data.clip_of_caption, minlength=len(data.ids))
    if len(data.ids) and (counts != 1).any():
        clip = int(np.flatnonzero(counts != 1)[0])
        raise ValueError(f"{data}: {data.ids[clip]} has {counts[clip]} captions; this format holds exactly one")
    return [data.captions[caption] for caption in np.argsort(data.clip_of_caption)]


def _csv_columns(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path}: no column {', '.join(sorted(missing))}")
        return list(reader)


def _write_csv(path: Path, rows: Iterable[Sequence[str]], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)

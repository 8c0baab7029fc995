"""Zero-shot evaluation of text-video models with feature networks of their own on raw videos. Imports torch.

The folder of a benchmark holds its published list and the videos in ``videos``, as in ``raw_videos``. A clip's vector
is the mean over the windows of the model's published evaluation.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assets.features.decode import Clip, DecodeError, decode_clips
from assets.features.extract import VideoFile, extract_shard
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.benchmarks import ByMethod, Files, split_chance
from assets.joint_embedding.evaluation.lake_benchmarks import CROSSTASK
from assets.joint_embedding.evaluation.raw_videos import SHARD, described_videos
from ml.crosstask.evaluation import Split, embedding_costs, localise, recall_over_splits, uniform
from ml.crosstask.files import FEATURES, CrossTask, Task
from ml.joint_embedding.benchmark_evaluation import metrics_both_ways
from ml.joint_embedding.benchmarks import (
    ClipPlace,
    EvaluationSet,
    list_lsmdc,
    list_msrvtt,
    list_msrvtt_test,
    list_youcook2,
)
from ml.joint_embedding.pairs import Stream
from ml.joint_embedding.text_video import TextVideoModel
from ml.text_video.model import Tower
from ml.vision.sampling import Sampling

PICTURES = 32
"""Pictures that a network computes at once."""

Listed = tuple[EvaluationSet, list[ClipPlace]]
Progress = Callable[[str, str | None], None]
"""Called with each video's id and the reason why it cannot be used, None if it can."""


class NoBenchmarkError(ValueError):
    """The folder does not hold what a task needs; the message says what."""


def listed_test_sets(root: Path) -> dict[str, Callable[[], Listed]]:
    """Readers of the test sets whose lists exist, by benchmark: clips without features, and their places."""
    files = Files(root)

    def whole(listed: EvaluationSet) -> Listed:
        return listed, [ClipPlace(video_id) for video_id in listed.ids]

    found: dict[str, tuple[Path, Callable[[], Listed]]] = {
        "YouCook2": (files.youcook2_test_clips, lambda: list_youcook2(files.youcook2_test_clips, "validation")),
        "MSR-VTT 1k-A": (files.msrvtt_test, lambda: whole(list_msrvtt_test(files.msrvtt_test))),
        "MSR-VTT full": (
            files.msrvtt_full,
            lambda: whole(list_msrvtt(files.msrvtt_full, files.msrvtt_full_captions, "test")),
        ),
        "LSMDC": (files.lsmdc_test, lambda: whole(list_lsmdc(files.lsmdc_test, "test"))),
    }
    return {name: read for name, (path, read) in found.items() if path.exists()}


def zero_shot_retrieval(
    root: Path, tower: Tower, listed: Listed, progress: Progress
) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Metrics by direction on the clips that have a vector, and the reason for each other clip.

    Raises:
        NoBenchmarkError: no clip has a vector.
    """
    clips, places = listed
    vectors, left_out = encode_listed(root, tower, clips, places, progress)
    kept = np.array([row for row, clip in enumerate(clips.ids) if clip not in left_out], np.int64)
    if not len(kept):
        raise NoBenchmarkError(f"{clips}: no clip can be decoded, e.g. {clips.ids[0]}: {left_out[clips.ids[0]]}")
    return retrieval_metrics_of(tower, clips.part(kept), vectors[kept]), left_out


def retrieval_metrics_of(
    model: TextVideoModel, test: EvaluationSet, vectors: NDArray[np.float32]
) -> dict[str, dict[str, float]]:
    """Metrics by direction of a model's vectors ``[clips, dim]`` of a test set."""
    unknown = sum(not model.known_words(caption) for caption in test.captions)
    text = torch.from_numpy(model.encode_text(test.captions))
    return metrics_both_ways(text, torch.from_numpy(vectors), test.clip_of_caption, unknown)


def by_method(name: str, identity: str, measured: dict[str, dict[str, float]]) -> dict[str, ByMethod]:
    """Metrics by benchmark with its direction, of the model and of chance."""
    found: dict[str, ByMethod] = {}
    for direction, metrics in measured.items():
        own, chance = split_chance(metrics)
        found[f"{name}, {direction.replace('_', ' ')}"] = {identity: own, "chance": chance}
    return found


def encode_listed(
    root: Path, tower: Tower, clips: EvaluationSet, places: Sequence[ClipPlace], progress: Progress
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Vectors of the listed clips ``[clips, dim]``, and the reason for each clip without one, whose row is zero."""
    of_video: dict[str, list[int]] = {}
    for row, place in enumerate(places):
        of_video.setdefault(place.video_id, []).append(row)
    files, outcomes = described_videos(root, list(of_video))
    by_id = {file.video_id: file for file in files}
    vectors = np.zeros((len(places), tower.dimension), np.float32)
    left_out: dict[str, str] = {}
    for video_id, rows in of_video.items():
        reason = None if video_id in by_id else outcomes[video_id][1] or outcomes[video_id][0]
        if reason is None:
            inside = [row for row in rows if places[row].start_s < by_id[video_id].video.duration_s]
            late = f"begins after the end of video {video_id}"
            left_out |= {clips.ids[row]: late for row in rows if row not in inside}
            try:
                vectors[inside] = encode_file(tower, by_id[video_id], [places[row] for row in inside])
            except DecodeError as error:
                reason = str(error)
        if reason is not None:
            left_out |= {clips.ids[row]: reason for row in rows}
        progress(video_id, reason)
    return vectors, left_out


def encode_file(tower: Tower, file: VideoFile, places: Sequence[ClipPlace]) -> NDArray[np.float32]:
    """Vectors of clips of one video ``[clips, dim]``: the mean over each clip's windows. The file is decoded once.

    Raises:
        DecodeError: the file cannot be decoded.
    """
    samplings: dict[str, Sampling] = {}
    for number, place in enumerate(places):
        end_s = file.video.duration_s if place.end_s is None else place.end_s
        windows = tower.window_samplings(place.start_s, end_s)
        samplings |= {f"{number} {window}": sampling for window, sampling in enumerate(windows)}
    sums = np.zeros((len(places), tower.network.dim))
    for some in _batched(decode_clips(file.path, samplings)):
        rows = tower.network(np.stack([clip.pictures for clip in some]))
        np.add.at(sums, [int(clip.stream.partition(" ")[0]) for clip in some], rows)
    return tower.project((sums / tower.windows).astype(np.float32))


def _batched(clips: Iterator[Clip]) -> Iterator[list[Clip]]:
    while some := list(islice(clips, 1)):
        some += islice(clips, max(PICTURES // len(some[0].pictures), 1) - 1)
        yield some


def crosstask_zero_shot(
    root: Path, tower: Tower, splits: Sequence[Split], scratch: Path, progress: Progress
) -> tuple[ByMethod, dict[str, int]]:
    """Step recalls of the model and of evenly spread steps, and the number of excluded videos by reason.

    Args:
        root: folder that holds ``videos`` and the folder ``crosstask``.
        scratch: an empty folder, for features.
    """
    tested = list(dict.fromkeys(video for split in splits for video in split.test))
    files, outcomes = described_videos(root, sorted({video.video_id for video in tested}))
    durations = {file.video_id: file.video.duration_s for file in files}
    store = FeatureStore(scratch / "arrays")
    made = {each.video_id: each for each in extract_shard(files, [tower.network], store, SHARD)}
    copy = CrossTask(shutil.copytree(root / CROSSTASK, scratch / CROSSTASK, ignore=shutil.ignore_patterns(FEATURES)))
    array = store.array(tower.stream, SHARD)
    first = dict(array.index().select("video_id", "first_row").iter_rows())
    reasons = {video_id: error or status for video_id, (status, error) in outcomes.items()}
    for video in tested:
        found = made.get(video.video_id)
        reason = reasons[video.video_id] if found is None else found.error
        if found is not None and found.rows:
            _, rows = array.rows(first[video.video_id], found.rows)
            vectors = encode_seconds(tower, [Stream(rows, found.rate_hz)], durations[video.video_id])
            copy.write_features(video, vectors)
        progress(video.video_id, reason)
    return crosstask_recalls(tower, copy, splits)


def crosstask_recalls(
    model: TextVideoModel, data: CrossTask, splits: Sequence[Split]
) -> tuple[ByMethod, dict[str, int]]:
    """The same from a data set whose features are the model's vectors, one per second.

    Raises:
        NoBenchmarkError: no test video can be scored.
    """
    tested = list(dict.fromkeys(video for split in splits for video in split.test))

    def costs(task: Task, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        return embedding_costs(model.encode_text(task.steps), rows)

    found = localise(data, data.primary(), tested, costs)
    if not found.hits:
        reason = next(iter(found.left_out.values()), "the splits have no test video")
        raise NoBenchmarkError(f"{data.release}: no test video can be scored, e.g. {reason}")
    recalls = {
        model.identity: recall_over_splits(found, splits),
        "uniform": recall_over_splits(uniform(data, tested), splits),
    }
    return recalls, dict(Counter(found.left_out.values()))


def encode_seconds(
    model: TextVideoModel, streams: Sequence[Stream], duration_s: float = math.inf
) -> NDArray[np.float32]:
    """The model's vector of each whole second of a video that has a feature row, ``[seconds, dim]``."""
    covered_s = min(len(each.features) / each.rate_hz for each in streams)
    seconds = np.arange(int(min(covered_s, duration_s)), dtype=np.float64)
    vectors, _ = model.encode_clips(streams, seconds, np.nextafter(seconds + 1, 0))
    return vectors

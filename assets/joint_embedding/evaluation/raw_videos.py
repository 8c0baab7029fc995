"""The benchmarks' feature files, made from raw videos by the configured networks. Imports torch.

The folder ``HOWTO_BENCHMARKS`` holds a folder ``videos``, in which files at any depth are named after their video, or
for LSMDC their clip. YouCook2's clips are listed in ``youcook_train.csv`` and ``youcook_val.csv``, all others in the
published annotations.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from assets.features.extract import Progress, VideoFile
from assets.features.index import index_rows
from assets.features.networks import make_shard
from assets.features.options import FeatureOptions
from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.benchmarks import Files
from assets.joint_embedding.evaluation.lake_benchmarks import CROSSTASK
from assets.joint_embedding.evaluation.options import VIDEOS, BenchmarkOptions
from assets.joint_embedding.pairs import video_streams
from assets.lake import load_tables
from assets.media.files import describe
from assets.media.suffixes import VIDEO_SUFFIXES
from ml.crosstask.evaluation import second_vectors
from ml.crosstask.files import FEATURES, CrossTask, TaskVideo
from ml.files import whole_folder
from ml.joint_embedding.benchmark_clips import StreamsOf, featured
from ml.joint_embedding.benchmarks import (
    ClipPlace,
    EvaluationSet,
    list_lsmdc,
    list_msrvtt,
    list_msrvtt_test,
    list_youcook2,
    write_features,
    write_lsmdc,
    write_msrvtt,
    write_msrvtt_test,
    write_youcook2,
)
from ml.machine import require_sound_machine
from ml.vision.sampling import SourceVideo

SHARD = "benchmarks"

Outcomes = dict[str, tuple[str, str | None]]
"""Status and error by video."""
Row = tuple[object, ...]


@dataclass(frozen=True)
class Part:
    """A part of a benchmark that has a list and no features: its clips, their places in videos, and its writer."""

    listed: EvaluationSet
    places: Sequence[ClipPlace]
    write: Callable[[EvaluationSet], None]


def make_files(options: BenchmarkOptions, networks: FeatureOptions, progress: Progress) -> pl.DataFrame:
    """Write the folder ``options.files``, replacing an older one: rows of ``benchmark_videos``.

    Benchmarks with published features are kept unchanged. A clip without a vector is left out of its benchmark. Stored
    features of videos are not made again.
    """
    table = load_tables()["benchmark_videos"]
    if options.root is None or options.files is None or not options.raw:
        return table.frame([])
    with whole_folder(options.files) as new:
        parts, crosstask = _parts(Files(options.root), Files(new)), _crosstask(options.root, new)
        wanted = {place.video_id for part in parts for place in part.places}
        wanted |= {video.video_id for video in _videos(crosstask)}
        outcomes, streams_of = _features(sorted(wanted), options, networks, progress)
        rows: list[Row] = []
        written: list[EvaluationSet] = []
        for part in parts:
            found, left_out = featured(part.listed, part.places, streams_of)
            rows += _rows(part, left_out, outcomes)
            if found.ids:
                part.write(found)
                written.append(found)
        tests = [each for each in written if each.name == "MSR-VTT" and each.split.startswith("test")]
        if tests:  # two test sets share a file
            write_features(tests, Files(new).msrvtt_features)
        if crosstask is not None:
            rows += _write_crosstask(crosstask, streams_of, outcomes)
        for path in options.root.iterdir():
            if path.name != VIDEOS and not (new / path.name).exists():
                (new / path.name).symlink_to(path)
    return table.frame(rows)


def _parts(given: Files, made: Files) -> list[Part]:
    """The parts that have a list and no features."""

    def whole(listed: EvaluationSet, write: Callable[[EvaluationSet], None]) -> Part:
        return Part(listed, [ClipPlace(video_id) for video_id in listed.ids], write)

    def youcook2() -> Iterator[Part]:
        for clips, split, features, path in (
            (given.youcook2_training_clips, "train", given.youcook2_training, made.youcook2_training),
            (given.youcook2_test_clips, "validation", given.youcook2_test, made.youcook2_test),
        ):
            if clips.exists() and not features.exists():
                yield Part(*list_youcook2(clips, split), partial(write_youcook2, path=path))

    def msrvtt() -> Iterator[Part]:
        if given.msrvtt_training.exists() and not given.msrvtt_training_features.exists():
            paths = (made.msrvtt_training, made.msrvtt_training_captions, made.msrvtt_training_features)
            listed = list_msrvtt(given.msrvtt_training, given.msrvtt_training_captions, "train")
            yield whole(listed, lambda data: write_msrvtt(data, *paths))
        if given.msrvtt_features.exists():
            return
        if given.msrvtt_full.exists():
            full = (made.msrvtt_full, made.msrvtt_full_captions, made.msrvtt_features)
            listed = list_msrvtt(given.msrvtt_full, given.msrvtt_full_captions, "test")
            yield whole(listed, lambda data: write_msrvtt(data, *full))
        if given.msrvtt_test.exists():
            test = (made.msrvtt_test, made.msrvtt_features)
            yield whole(list_msrvtt_test(given.msrvtt_test), lambda data: write_msrvtt_test(data, *test))

    def lsmdc() -> Iterator[Part]:
        for rows, split, features, paths in (
            (
                given.lsmdc_training,
                "train",
                given.lsmdc_training_features,
                (made.lsmdc_training, made.lsmdc_training_features),
            ),
            (given.lsmdc_test, "test", given.lsmdc_features, (made.lsmdc_test, made.lsmdc_features)),
        ):
            if rows.exists() and not features.exists():
                yield whole(list_lsmdc(rows, split), partial(write_lsmdc, rows=paths[0], features=paths[1]))

    return [*youcook2(), *msrvtt(), *lsmdc()]


def _crosstask(root: Path, new: Path) -> CrossTask | None:
    """A copy of CrossTask's lists; None if it has features or does not exist."""
    if not CrossTask(root / CROSSTASK).exists() or (root / CROSSTASK / FEATURES).exists():
        return None
    shutil.copytree(root / CROSSTASK, new / CROSSTASK)
    return CrossTask(new / CROSSTASK)


def _videos(data: CrossTask | None) -> list[TaskVideo]:
    return [] if data is None else [*data.videos(), *data.validation()]


def _features(
    wanted: Sequence[str], options: BenchmarkOptions, networks: FeatureOptions, progress: Progress
) -> tuple[Outcomes, StreamsOf]:
    """Extract the features of some videos: the outcome of each, and a function that reads them."""
    assert options.root is not None
    files, outcomes = described_videos(options.root, wanted)
    store = FeatureStore(options.made / "arrays")
    made, makers = make_shard(networks, files, wanted, store, SHARD, progress)
    arrays = {stream: store.array(stream, SHARD) for stream in networks.streams}
    index = index_rows(made, arrays, makers, SHARD)
    for own in index.partition_by("video_id"):
        failed = own.filter(pl.col("status") == "failed")
        wrong = f"{failed['stream'][0]}: {failed['error'][0]}" if len(failed) else None
        outcomes[own["video_id"][0]] = "failed" if wrong else "ok", wrong

    return outcomes, partial(video_streams, FeatureReader(index, store, networks.streams))


def described_videos(root: Path, wanted: Sequence[str]) -> tuple[list[VideoFile], Outcomes]:
    """The raw videos of a benchmark folder that can be decoded, and the outcome of each wanted one."""
    outcomes: Outcomes = dict.fromkeys(wanted, ("missing", f"no video of that name in {VIDEOS}/"))
    files = []
    for video_id, path in _paths(root / VIDEOS, set(wanted)).items():
        try:
            known = describe(path)
        except OSError as error:
            require_sound_machine(error)
            outcomes[video_id] = "failed", str(error)
            continue
        if known["status"] == "ok":
            video = SourceVideo(float(str(known["frame_rate"])), float(str(known["duration_s"])))
            files.append(VideoFile(video_id, path, str(known["sha256"]), video))
        outcomes[video_id] = str(known["status"]), str(known["error"]) if "error" in known else None
    return files, outcomes


def _paths(folder: Path, wanted: set[str]) -> dict[str, Path]:
    """The first file of each wanted video, by path."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.stem in wanted:
            found.setdefault(path.stem, path)
    return found


def _rows(part: Part, left_out: Mapping[str, str], outcomes: Outcomes) -> Iterator[Row]:
    clips = Counter(place.video_id for place in part.places)
    of_clip = {clip: place.video_id for clip, place in zip(part.listed.ids, part.places, strict=True)}
    lost = Counter(of_clip[clip] for clip in left_out)
    reasons = {of_clip[clip]: reason for clip, reason in left_out.items()}
    for video_id, count in sorted(clips.items()):
        status, error = outcomes[video_id]
        reason = error or reasons.get(video_id)
        yield part.listed.name, part.listed.split, video_id, count, lost[video_id], status, reason


def _write_crosstask(data: CrossTask, streams_of: StreamsOf, outcomes: Outcomes) -> Iterator[Row]:
    for video in sorted({video.video_id: video for video in _videos(data)}.values()):
        streams = streams_of(video.video_id)
        if streams is not None:
            seconds = int(min(len(stream.features) / stream.rate_hz for stream in streams))
            data.write_features(video, second_vectors([stream.features for stream in streams], seconds))
        yield "CrossTask", "all", video.video_id, 0, 0, *outcomes[video.video_id]

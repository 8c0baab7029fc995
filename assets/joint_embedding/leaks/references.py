"""Pictures of the benchmarks' evaluation videos, and the videos of the lake that show the same. Imports torch.

See ``assets/videos/id_lists`` for evaluation videos that are known by id, before any file is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from assets.features.decode import DecodeError
from assets.features.frames.duplicates import hashes_of
from assets.features.frames.matching import Match, copies_by_hashes, different_pictures
from assets.features.frames.measure import decoded, measured_from, of_same_source
from assets.features.frames.options import VisualDuplicateOptions
from assets.joint_embedding.evaluation.benchmarks import Files
from assets.joint_embedding.evaluation.lake_benchmarks import CROSSTASK
from assets.joint_embedding.evaluation.raw_videos import described_videos
from assets.lake import load_tables
from assets.progress import CountedProgress
from ml.crosstask.files import CrossTask
from ml.joint_embedding.benchmarks import list_lsmdc, list_msrvtt, list_msrvtt_test, list_youcook2


def evaluation_videos(root: Path) -> Iterator[tuple[str, str, str]]:
    """Benchmark, split and video of what the lists below a folder evaluate on, whether features are published or not.

    Of CrossTask all videos count, as in ``id_lists``.
    """
    files, crosstask = Files(root), CrossTask(root / CROSSTASK)
    listed = []
    if files.youcook2_test_clips.exists():
        clips, places = list_youcook2(files.youcook2_test_clips, "validation")
        yield from dict.fromkeys((clips.name, clips.split, place.video_id) for place in places)
    if files.msrvtt_test.exists():
        listed.append(list_msrvtt_test(files.msrvtt_test))
    if files.msrvtt_full.exists():
        listed.append(list_msrvtt(files.msrvtt_full, files.msrvtt_full_captions, "test"))
    if files.lsmdc_test.exists():
        listed.append(list_lsmdc(files.lsmdc_test, "test"))
    for data in listed:
        yield from ((data.name, data.split, video_id) for video_id in data.ids)
    if crosstask.exists():
        videos = [*crosstask.videos(), *crosstask.validation()]
        yield from dict.fromkeys(("CrossTask", "all", video.video_id) for video in videos)


def measure_references(
    root: Path,
    options: VisualDuplicateOptions,
    known: pl.DataFrame | None = None,
    log: Callable[[str], object] = lambda message: None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of ``benchmark_references`` and of ``benchmark_frames``.

    Args:
        root: folder of the benchmarks' files, which holds their raw videos.
        known: earlier rows of ``benchmark_frames``; a file that they were measured from is not decoded again.
        log: is called with how many videos are done.
    """
    listed, tables = [*evaluation_videos(root)], load_tables()
    files, outcomes = described_videos(root, sorted({video_id for *_, video_id in listed}))
    sources = {file.video_id: measured_from(file) for file in files}
    kept = tables["benchmark_frames"].frame([]) if known is None else of_same_source(known, sources)
    reused = set(kept["video_id"])
    others = [each for each in files if each.video_id not in reused]
    rows: list[tuple[object, ...]] = []
    for file, outcome in decoded(others, CountedProgress(log, len(others), "videos").advance):
        if isinstance(outcome, DecodeError):
            outcomes[file.video_id] = "failed", str(outcome)
            continue
        source = sources[file.video_id]
        rows += [(file.video_id, int(each.time_s), *each.hashes.values(), source) for each in outcome.seconds]
    frames = pl.concat([kept, tables["benchmark_frames"].frame(rows)]).sort("video_id", "second")
    outcomes |= _too_few_pictures(frames, options)
    references = ((*each, *outcomes[each[-1]]) for each in listed)
    return tables["benchmark_references"].frame(references), frames


def _too_few_pictures(frames: pl.DataFrame, options: VisualDuplicateOptions) -> dict[str, tuple[str, str]]:
    """Status and reason of each video that cannot match anything, because it shows too few different pictures."""
    videos = frames.select("video_id").unique(maintain_order=True)
    hashes = hashes_of(videos, frames.lazy())
    found = {
        video_id: different_pictures(hashes, number, options) for number, video_id in enumerate(videos["video_id"])
    }
    wanted = f"{options.pictures} different pictures that a match needs"
    return {
        video_id: ("too_few_pictures", f"it has {count} of the {wanted}")
        for video_id, count in found.items()
        if count < options.pictures
    }


def benchmark_leaks(
    videos: pl.DataFrame,
    statistics: pl.LazyFrame,
    references: pl.DataFrame,
    frames: pl.DataFrame,
    options: VisualDuplicateOptions,
) -> pl.DataFrame:
    """The columns of ``benchmark_leaks``: each video with the evaluation video that is most similar to it.

    Args:
        videos: video_id of the lake's videos; statistics: rows of ``frame_statistics``; references: of
            ``benchmark_references``; frames: of ``benchmark_frames``.
    """
    ordered = references.filter(status="ok").sort("benchmark", "split", "video_id")
    compared = ordered.unique("video_id", keep="first", maintain_order=True)
    later = hashes_of(videos, statistics, len(compared))
    best: dict[int, Match] = {}
    for match in copies_by_hashes(later, hashes_of(compared, frames.lazy()), options):
        if match.later not in best or match.share > best[match.later].share:
            best[match.later] = match
    rows = []
    for number, match in best.items():
        benchmark, _, other, *_ = compared.row(match.earlier)
        about = match.share, options.threshold, match.mirrored, float(match.shift_s)
        rows.append((videos["video_id"][number - len(compared)], benchmark, other, *about, _reason(match, other)))
    return load_tables()["benchmark_leaks"].frame(sorted(rows))


def _reason(match: Match, other: str) -> str:
    if match.of_copy:
        return match.reason(other)
    pictures = "pictures, mirrored," if match.mirrored else "pictures"
    return f"it shows {match.share:.0%} of the {pictures} of {other}, by {match.words}"

"""Evaluation videos of benchmarks are found in the lake by their pictures, under any id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from assets.features.frames.measure import read_frames, second_rows
from assets.features.frames.options import VisualDuplicateOptions
from assets.joint_embedding.leaks.references import benchmark_leaks, measure_references
from assets.lake import Lake, load_tables
from orchestration.artifacts.tables import contract_violations
from tests.copies import CHANGES, shown
from tests.shot_videos import Picture, Piece, ShotVideo

OPTIONS = VisualDuplicateOptions()
COPIES = ("encoded", "mirrored", "cropped10", "subtitled")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MSR-VTT with a video, one of a single picture, one that is broken and one without file; and a training video."""
    root = tmp_path_factory.mktemp("benchmarks")
    (root / "videos" / "msr").mkdir(parents=True)
    shown(1).write(root / "videos" / "msr" / "video1.mp4")
    shown(2).write(root / "videos" / "train1.mp4")
    ShotVideo((Piece(7, 3, motion=0),)).write(root / "videos" / "still.mp4")
    (root / "videos" / "broken.mp4").write_text("no video")
    names = ("video1", "still", "broken", "gone")
    (root / "MSRVTT_JSFUSION_test.csv").write_text(
        "key,vid_key,video_id,sentence\n" + "".join(f"ret,msr,{name},a man cooks\n" for name in names)
    )
    (root / "MSRVTT_train.csv").write_text("video_id\ntrain1\n")
    return root


@pytest.fixture(scope="module")
def measured(root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return measure_references(root, OPTIONS)


def statistics(folder: Path) -> tuple[pl.DataFrame, pl.LazyFrame]:
    """Videos of a lake, with their hashes: copies of video1 alone and within a longer video, and others."""
    long = ShotVideo((*shown(3).pieces, *shown(1).pieces, *shown(4).pieces), shown(1).rate)
    paths = {name: shown(1).write(folder / f"{name}.mp4", CHANGES[name], 38) for name in COPIES}
    paths |= {"long": long.write(folder / "long.mp4"), "own": shown(5).write(folder / "own.mp4")}
    paths["train"] = shown(2).write(folder / "train.mp4")
    rows = [("shard-0000", name, *row, "x") for name, path in paths.items() for row in second_rows(read_frames(path))]
    return pl.DataFrame({"video_id": [*paths]}), load_tables()["frame_statistics"].frame(rows).lazy()


def test_copies_of_evaluation_videos_are_found_and_others_are_not(
    measured: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    found = benchmark_leaks(*statistics(tmp_path), *measured, OPTIONS)
    shown_by = {row[0]: row[1:] for row in found.select("video_id", "benchmark", "benchmark_video").iter_rows()}
    assert shown_by == dict.fromkeys((*COPIES, "long"), ("MSR-VTT", "video1"))
    assert found.filter("mirrored")["video_id"].to_list() == ["mirrored"]
    of_long = found.filter(video_id="long")
    assert of_long["shift_s"][0] == pytest.approx(8, abs=1)
    assert "of the pictures of video1" in of_long["reason"][0]
    lake = Lake(tmp_path / "lake")
    tables = {"benchmark_references": measured[0], "benchmark_frames": measured[1], "benchmark_leaks": found}
    for name, rows in tables.items():
        lake.write(name, rows)
        assert not contract_violations(lake, load_tables()[name], None)


def test_videos_that_cannot_be_compared_have_a_reason(measured: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    references, frames = measured
    outcomes = dict(references.select("video_id", "status").iter_rows())
    assert outcomes == {"video1": "ok", "still": "too_few_pictures", "broken": "failed", "gone": "missing"}
    reasons = dict(references.select("video_id", "reason").iter_rows())
    assert reasons["still"] == "it has 1 of the 6 different pictures that a match needs"
    assert "videos/" in reasons["gone"] and "broken.mp4" in reasons["broken"]
    assert set(frames["video_id"]) == {"video1", "still"}


def test_a_file_is_measured_again_when_it_changes(root: Path, measured: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """Rows of a known file are taken as they are; here they are marked, so that decoding would lose the mark."""
    known = measured[1].with_columns(edge_hash=pl.lit(7, pl.Int64))
    again = measure_references(root, OPTIONS, known)
    assert again[1].equals(known)
    shown(6).write(root / "videos" / "still.mp4")
    references, frames = measure_references(root, OPTIONS, known)
    assert frames.filter(video_id="video1").equals(known.filter(video_id="video1"))
    assert set(frames.filter(video_id="still")["edge_hash"]) != {7}
    assert references.filter(video_id="still")["status"].to_list() == ["ok"]


@pytest.mark.campaign
def test_copies_within_many_longer_videos_are_found(tmp_path: Path) -> None:
    """Recall by kind of copy, and wrong findings: copies of 20 videos of 8 s in videos of 24 s, and 60 other videos."""
    (tmp_path / "videos").mkdir()
    for number in range(20):
        shown(number).write(tmp_path / "videos" / f"video{number}.mp4")
    rows = "".join(f"ret,msr,video{number},a man cooks\n" for number in range(20))
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("key,vid_key,video_id,sentence\n" + rows)
    around = iter(range(100, 1000))
    lake: dict[str, tuple[ShotVideo, Callable[[Picture], Picture]]] = {
        f"other {number}": (shown(next(around)), CHANGES["encoded"]) for number in range(60)
    }
    for number in range(20):
        for name, change in CHANGES.items():
            before, after = shown(next(around)).pieces, shown(next(around)).pieces
            lake[f"{name} {number}"] = ShotVideo((*before, *shown(number).pieces, *after), shown(0).rate), change
    seconds = []
    for name, (video, change) in lake.items():
        path = video.write(tmp_path / f"{name}.mp4", change, 38)
        seconds += [("shard-0000", name, *row, "x") for row in second_rows(read_frames(path))]
    statistics = load_tables()["frame_statistics"].frame(seconds).lazy()
    found = benchmark_leaks(
        pl.DataFrame({"video_id": [*lake]}), statistics, *measure_references(tmp_path, OPTIONS), OPTIONS
    )
    pairs = [(one.split(), other) for one, other in found.select("video_id", "benchmark_video").iter_rows()]
    right = [kind for (kind, number), other in pairs if other == f"video{number}" and kind != "other"]
    print({kind: right.count(kind) for kind in CHANGES}, f"wrong: {len(pairs) - len(right)}")
    assert len(right) >= 0.95 * 20 * len(CHANGES) and len(pairs) - len(right) <= 0.01 * len(pairs)

"""Shots of videos whose transitions are known, also with flashes, moving cameras and odd frame rates."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from assets.features.extract import VideoFile
from assets.features.frames.measure import measure_shard, read_frames
from ml.shots.transitions import Transition, transitions
from ml.vision.sampling import SourceVideo
from tests.shot_videos import Piece, ShotVideo, random_video

TOLERANCE = 2
"""Frames by which a transition may be off, as in the evaluation of TransNet V2."""


def transitions_of(video: ShotVideo, path: Path) -> list[Transition]:
    frames = read_frames(video.write(path))
    return transitions(frames.cells, frames.frame_s)


def matched(video: ShotVideo, found: list[Transition]) -> list[tuple[str, Transition]]:
    """Known transitions with the first unused found one that overlaps it."""
    pairs, left = [], list(found)
    for kind, first, after in video.transitions:
        first, after = first * video.repeat, after * video.repeat
        near = (each for each in left if each.first - TOLERANCE <= after and first <= each.after + TOLERANCE)
        hit = next(near, None)
        if hit is not None:
            left.remove(hit)
            pairs.append((kind, hit))
    return pairs


def f1_and_kinds(folder: Path, seeds: range) -> tuple[float, float]:
    """F1 of transitions over generated videos, and the share of the matched ones whose kind is right."""
    hits = known = given = right = 0
    for seed in seeds:
        video = random_video(seed)
        found = transitions_of(video, folder / f"{seed}.mp4")
        pairs = matched(video, found)
        hits, known, given = hits + len(pairs), known + len(video.transitions), given + len(found)
        right += sum(kind == each.kind for kind, each in pairs)
    return 2 * hits / (known + given), right / hits


def test_transitions_are_found_with_their_kinds(tmp_path: Path) -> None:
    f1, kinds = f1_and_kinds(tmp_path, range(200, 206))
    assert f1 >= 0.95
    assert kinds >= 0.95


@pytest.mark.campaign
def test_transitions_are_found_in_many_videos(tmp_path: Path) -> None:
    f1, kinds = f1_and_kinds(tmp_path, range(300, 360))
    assert f1 >= 0.95
    assert kinds >= 0.95


@pytest.mark.parametrize(
    "piece",
    [
        Piece(1, 4, motion=0),
        Piece(2, 4, motion=0.4, shake=2),
        Piece(3, 4, flashes=(1.0, 2.5)),
        Piece(4, 4, turns_light=True),
        Piece(5, 0.04),
        Piece(6, 0.1),
    ],
    ids=["static", "fast", "flashes", "light", "one frame", "three frames"],
)
def test_a_single_shot_has_no_transition(tmp_path: Path, piece: Piece) -> None:
    assert transitions_of(ShotVideo((piece,)), tmp_path / "video.mp4") == []


def test_a_fade_is_one_where_the_file_shows_each_frame_twice(tmp_path: Path) -> None:
    video = ShotVideo((Piece(1, 3), Piece(12, 3, "fade", 1.0)), repeat=2)
    (found,) = transitions_of(video, tmp_path / "video.mp4")
    assert found.kind == "fade" and matched(video, [found])


@pytest.mark.parametrize("rate", [Fraction(15, 2), Fraction(30000, 1001), Fraction(60)])
def test_the_shots_of_a_video_cover_it_and_begin_at_the_cuts(tmp_path: Path, rate: Fraction) -> None:
    video = ShotVideo((Piece(1, 3), Piece(12, 2), Piece(3, 4, "fade", 1.0)), rate)
    length = sum(round(piece.seconds * rate) for piece in video.pieces) / float(rate)
    good = VideoFile("b", video.write(tmp_path / "b.mp4"), "b", SourceVideo(float(rate), length))
    (tmp_path / "a.mp4").write_bytes(b"no video")
    broken = VideoFile("a", tmp_path / "a.mp4", "a", SourceVideo(25, 4))
    shots, statistics, failed = measure_shard([good, broken], "shard-0000")
    assert list(failed) == ["a"]
    assert shots["transition"].to_list() == [None, "cut", "fade"]
    assert shots["start_s"].to_list()[1:] == shots["end_s"].to_list()[:-1]
    assert shots["start_s"][1] == pytest.approx(round(3 * rate) / float(rate), abs=0.01)
    assert shots["end_s"][-1] == pytest.approx(length, abs=0.2)
    assert shots["transition_s"][2] == pytest.approx(1.0, abs=0.3)
    assert statistics["second"].to_list() == list(range(9))


def test_a_file_that_is_known_is_not_decoded_again(tmp_path: Path) -> None:
    """The second time, the known file is broken on disk, and another one has new content."""
    paths = [ShotVideo((Piece(seed, 1), Piece(seed + 10, 1))).write(tmp_path / f"{seed}.mp4") for seed in (1, 2)]
    length = SourceVideo(25, 2)
    files = [VideoFile(f"v{number}", path, "old", length) for number, path in enumerate(paths)]
    *known, _ = measure_shard(files, "shard-0000")
    paths[0].write_bytes(b"no video")
    ShotVideo((Piece(3, 2),)).write(paths[1])
    renewed = [files[0], VideoFile("v1", paths[1], "new", length)]
    shots, statistics, failed = measure_shard(renewed, "shard-0000", known=(known[0], known[1]))
    assert not failed and shots.filter(video_id="v0").equals(known[0].filter(video_id="v0"))
    assert [shots.filter(video_id=each).height for each in ("v0", "v1")] == [2, 1]
    assert statistics["video_id"].to_list() == ["v0", "v0", "v1", "v1"]
    assert list(measure_shard(renewed, "shard-0000")[2]) == ["v0"]

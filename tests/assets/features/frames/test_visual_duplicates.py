"""Copies of videos are found by their pictures, whatever was done to them; other videos are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from assets.features.frames.duplicates import Seconds, hashes_of, visual_duplicates
from assets.features.frames.measure import read_frames, second_rows
from assets.features.frames.options import VisualDuplicateOptions
from assets.lake import load_tables
from ml.shots.hashes import LOWER, MIRROR, UPPER, hashes, picture_hash
from ml.shots.pairs import near_hashes, near_vectors
from tests.copies import CHANGES, shown
from tests.shot_videos import HEIGHT, WIDTH, Picture


def found_and_expected(folder: Path, originals: int) -> tuple[pl.DataFrame, dict[str, str]]:
    """Re-uploads among originals and one copy of each by each change, and the original of each copy."""
    rows, names, contract = [], [], load_tables()["frame_statistics"]
    for number in range(originals):
        copies: dict[str, Callable[[Picture], Picture]] = {"original": lambda shot: shot, **CHANGES}
        for name, change in copies.items():
            path = shown(number).write(folder / f"{name}{number}.mp4", change, 26 if name == "original" else 38)
            names.append(f"{name}{number}")
            rows += [("shard-0000", names[-1], *row, "x") for row in second_rows(read_frames(path))]
    ranked = pl.DataFrame({"video_id": names})
    measured = hashes_of(ranked, contract.frame(rows).lazy())
    expected = {f"{name}{number}": f"original{number}" for number in range(originals) for name in CHANGES}
    return visual_duplicates(ranked, measured, None, VisualDuplicateOptions()), expected


def test_copies_are_found_and_others_are_not(tmp_path: Path) -> None:
    found, expected = found_and_expected(tmp_path, 3)
    assert dict(found.select("video_id", "duplicate_of").iter_rows()) == expected
    assert set(found.filter("mirrored")["video_id"]) == {f"mirrored{number}" for number in range(3)}
    assert found["shift_s"].abs().max() <= 1
    assert "by hashes" in found["reason"][0]


@pytest.mark.campaign
def test_copies_of_many_videos_are_found(tmp_path: Path) -> None:
    """Recall by kind of copy, and precision: originals are parts of two photographs, so that some are alike."""
    found, expected = found_and_expected(tmp_path, 40)
    right = {
        video for video, other in found.select("video_id", "duplicate_of").iter_rows() if expected.get(video) == other
    }
    by_kind = {kind: sum(video.startswith(kind) for video in right) / 40 for kind in CHANGES}
    print(f"recall {len(right) / len(expected):.3f} {by_kind}, precision {len(right) / len(found):.3f}")
    assert len(right) >= 0.95 * len(expected) and len(right) >= 0.99 * len(found)


def screencast(seed: int, seconds: int = 24) -> list[Picture]:
    """A picture per second of windows that are opened on one desktop, which is the same for all seeds."""
    rng, shots = np.random.default_rng(seed), []
    for second in range(seconds):
        if second % 2 == 0:
            image = Image.new("RGB", (320, 180), (211, 211, 211))
            draw = ImageDraw.Draw(image)
            draw.rectangle((0, 0, 319, 8), (250, 250, 250), (40, 40, 40))
            for icon in range(5):
                draw.ellipse((4, 20 + 18 * icon, 16, 32 + 18 * icon), (60, 90, 140))
            for _ in range(rng.integers(1, 4)):
                left, top = rng.integers(24, 200), rng.integers(12, 110)
                right, bottom = left + rng.integers(60, 120), top + rng.integers(40, 70)
                draw.rectangle((left, top, right, bottom), (255, 255, 255), (40, 40, 40))
                for line in range(top + 8, bottom - 4, 8):
                    draw.line((left + 6, line, int(rng.integers(left + 20, right)), line), (120, 120, 120), 2)
        shots.append(np.asarray(image))
    return shots


def duplicates_of(videos: dict[str, list[Picture]]) -> pl.DataFrame:
    """Re-uploads among videos of one picture per second, by rank."""
    rows = [
        ("shard-0000", name, second, 0.5, 100.0, 0.0, *found.values(), "x")
        for name, shots in videos.items()
        for second, shot in enumerate(shots)
        for found in [hashes(np.asarray(Image.fromarray(shot).convert("L").resize((256, 144)), np.float32))]
    ]
    ranked = pl.DataFrame({"video_id": [*videos]})
    measured = hashes_of(ranked, load_tables()["frame_statistics"].frame(rows).lazy())
    return visual_duplicates(ranked, measured, None, VisualDuplicateOptions())


def test_copies_of_screencasts_are_found_and_others_of_the_same_desktop_are_not() -> None:
    videos, expected = {}, {}
    for seed in range(4):
        videos[f"original{seed}"] = screencast(seed)
        for name, change in CHANGES.items():
            videos[f"{name}{seed}"] = [*map(change, screencast(seed))]
            expected[f"{name}{seed}"] = f"original{seed}"
    assert dict(duplicates_of(videos).select("video_id", "duplicate_of").iter_rows()) == expected


def test_a_picture_that_stays_is_no_evidence() -> None:
    desktop, *_ = screencast(0, 1)
    parts = {"still": [], "other": screencast(1, 8), "another": screencast(2, 8)}
    assert duplicates_of({name: [desktop] * 40 + part for name, part in parts.items()}).is_empty()


def test_the_same_pictures_in_another_order_are_no_evidence() -> None:
    views, rng = screencast(0, 8)[::2], np.random.default_rng(0)
    orders = [rng.choice(4, 60, p=[0.7, 0.1, 0.1, 0.1]) for _ in range(4)]
    assert duplicates_of({f"order{n}": [views[view] for view in order] for n, order in enumerate(orders)}).is_empty()


def test_vectors_find_a_part_of_a_video_and_report_the_shift() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(3, 40, 64)).astype(np.float32)
    parts = [own[0], own[1], own[0, 12:] + rng.normal(size=(28, 64)).astype(np.float32) / 8, own[2]]
    vectors = np.concatenate(parts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    videos = np.repeat(np.arange(4), [len(part) for part in parts])
    seconds = np.concatenate([np.arange(len(part)) for part in parts])
    ranked = pl.DataFrame({"video_id": ["a", "b", "c", "d"]})
    nothing = hashes_of(ranked, load_tables()["frame_statistics"].frame([]).lazy())
    found = visual_duplicates(ranked, nothing, Seconds(videos, seconds, vectors), VisualDuplicateOptions())
    assert found.select("video_id", "duplicate_of", "found_by", "shift_s").rows() == [("c", "a", "vectors", -12.0)]


def test_a_plain_picture_has_no_hash_and_a_mirrored_one_differs_in_known_bits() -> None:
    assert picture_hash(np.full((HEIGHT, WIDTH), 90, np.float32)) is None
    grey = np.random.default_rng(0).uniform(0, 255, (9, 16)).repeat(16, 0).repeat(16, 1).astype(np.float32)
    one, other = picture_hash(grey), picture_hash(grey[:, ::-1])
    assert one is not None and other is not None and (one ^ other) == MIRROR


@pytest.mark.parametrize(("change", "part"), [("subtitled", UPPER), ("banner", LOWER), ("logo", LOWER)])
def test_a_part_does_not_change_with_what_is_outside_of_it(change: str, part: str) -> None:
    shot = np.random.default_rng(0).integers(0, 255, (9, 16, 1), np.uint8).repeat(20, 0).repeat(20, 1).repeat(3, 2)
    one, other = (hashes(each[..., 0].astype(np.float32))[part] for each in (shot, CHANGES[change](shot)))
    assert one is not None and one == other


def clustered(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors in clusters, a tenth of which have a near copy."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, count // 100), 64)).astype(np.float32)
    own = centres[rng.integers(len(centres), size=count - count // 10)]
    own = own + rng.normal(size=own.shape).astype(np.float32)
    copies = own[rng.integers(len(own), size=count // 10)]
    copies = copies + rng.normal(size=copies.shape).astype(np.float32) * 0.3
    vectors = np.concatenate([own, copies])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [1, 2, 4000, pytest.param(60_000, marks=pytest.mark.campaign)])
def test_pairs_of_vectors_are_those_of_an_exact_comparison(count: int) -> None:
    vectors = clustered(count)
    exact = [np.empty((0, 2), np.int64)]
    for start in range(0, count, 2000):
        i, j = np.nonzero(vectors[start : start + 2000] @ vectors.T >= 0.9)
        exact.append(np.stack([i + start, j], 1)[j > i + start])
    wanted = set(map(tuple, np.concatenate(exact).tolist()))
    found = set(zip(*(each.tolist() for each in near_vectors(vectors, 0.9)), strict=True))
    assert found <= wanted
    assert len(found) >= 0.99 * len(wanted)


def test_hashes_that_differ_in_few_bits_are_found() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 1 << 63, 1000, dtype=np.uint64)
    flips = np.array([sum(1 << int(bit) for bit in rng.choice(63, 4, replace=False)) for _ in one], np.uint64)
    i, j = near_hashes(one, one ^ flips, 8)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == {(number, number) for number in range(1000)}

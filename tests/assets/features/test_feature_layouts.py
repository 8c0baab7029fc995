"""Feature files of HowTo100M and HERO: they are read as those programs read them, and what is broken is named."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from assets.features.layouts import (
    LayoutError,
    feature_files,
    hero_clips,
    hero_rows,
    lmdb_path,
    read_lmdb,
    read_npy,
    read_npz,
    write_lmdb,
    write_npy,
    write_npz,
)


def rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float16)


def test_howto100m_has_one_npy_per_video_and_stream(tmp_path: Path) -> None:
    features = rows(7, 2048)
    write_npy(tmp_path / "2d" / "-video_1.npy", features)
    write_npy(tmp_path / "2d" / "sub" / "video.2.mp4.npy", features)
    plain = np.load(tmp_path / "2d" / "-video_1.npy")
    assert (plain.dtype, plain.shape) == (np.float16, (7, 2048))
    found = dict(feature_files(tmp_path / "2d", ".npy"))
    assert list(found) == ["-video_1", "video.2"]
    assert np.array_equal(read_npy(found["video.2"], dim=2048), features)


def test_hero_has_one_npz_per_video_and_stream(tmp_path: Path) -> None:
    features = rows(3, 2304)
    write_npz(tmp_path / "a.npz", features)
    assert np.array_equal(np.load(tmp_path / "a.npz")["features"], features)
    np.savez(tmp_path / "b.npz", features=features.astype(np.float32))
    assert read_npz(tmp_path / "b.npz").dtype == np.float32


def test_hero_lmdb(tmp_path: Path) -> None:
    """Streams are joined, the longer one is cut, and values read as HERO reads them."""
    lmdb = pytest.importorskip("lmdb")
    resnet, slowfast = rows(5, 2048, 1), rows(4, 2304, 2)
    joined = hero_rows(resnet, slowfast)
    assert joined.shape == (4, 4352)
    assert np.array_equal(joined[:, :2048], resnet[:4]) and np.array_equal(joined[:, 2048:], slowfast)
    counts = write_lmdb(tmp_path, [("b", joined), ("a", joined[:2])], Fraction(3, 2))
    path = tmp_path / "resnet_slowfast_1.5_compressed"
    assert path == lmdb_path(tmp_path, Fraction(3, 2))
    assert json.loads((tmp_path / "id2nframe.json").read_text()) == counts == {"b": 4, "a": 2}
    with lmdb.open(str(path), readonly=True) as environment, environment.begin() as transaction:
        value = np.load(io.BytesIO(transaction.get(b"b")), allow_pickle=True)["features"]
    assert np.array_equal(value, joined)
    assert {key: len(features) for key, features in read_lmdb(path, dim=4352)} == {"a": 2, "b": 4}
    write_lmdb(tmp_path, [("c", joined)], Fraction(3, 2))
    assert [key for key, _ in read_lmdb(path)] == ["c"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["id2nframe.json", path.name]


def test_an_lmdb_outgrows_its_first_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lmdb")
    monkeypatch.setattr("assets.features.layouts.LMDB_START_BYTES", 1 << 16)
    videos = [(f"video {index}", rows(20, 512, index)) for index in range(20)]
    write_lmdb(tmp_path, videos, Fraction(2))
    read = dict(read_lmdb(lmdb_path(tmp_path, Fraction(2))))
    assert len(read) == 20 and all(np.array_equal(read[key], features) for key, features in videos)


def test_lmdbs_that_are_not_compressed_are_read(tmp_path: Path) -> None:
    """Arrays as msgpack-numpy packs them."""
    lmdb, msgpack = pytest.importorskip("lmdb"), pytest.importorskip("msgpack")
    features = rows(3, 8).astype(np.float32)
    packed = {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": (3, 8), b"data": features.tobytes()}
    with lmdb.open(str(tmp_path / "db")) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"video", msgpack.packb({"features": packed}, use_bin_type=True))
        transaction.put(b"__keys__", b'["video"]')
    ((key, read),) = read_lmdb(tmp_path / "db")
    assert key == "video" and np.array_equal(read, features)


def test_a_failed_export_leaves_what_was_there(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    good, bad = rows(2, 4), np.full((2, 4), np.nan, np.float16)
    write_lmdb(tmp_path, [("a", good)], Fraction(2))
    with pytest.raises(LayoutError, match="resnet_slowfast_2_compressed: b: row 0 of 2 is not finite"):
        write_lmdb(tmp_path, [("a", good[:1]), ("b", bad)], Fraction(2))
    ((key, read),) = read_lmdb(lmdb_path(tmp_path, Fraction(2)))
    assert (key, len(read)) == ("a", 2)
    write_npy(tmp_path / "a.npy", good)
    with pytest.raises(LayoutError, match="row 0 of 2 is not finite"):
        write_npy(tmp_path / "a.npy", bad)
    assert np.array_equal(read_npy(tmp_path / "a.npy"), good)
    assert not list(tmp_path.glob(".*"))


def test_howto100m_videos_are_kept_in_clips_of_a_minute() -> None:
    clips = dict(hero_clips("-3BVWtwbV64", rows(95, 3), Fraction(3, 2)))
    assert {key: len(features) for key, features in clips.items()} == {
        "-3BVWtwbV64.0": 40,
        "-3BVWtwbV64.1": 40,
        "-3BVWtwbV64.2": 15,
    }


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 4), np.float64), "holds float64, expected float16"),
        (np.zeros((2, 4), np.int16), "holds int16, expected float16"),
        (np.zeros(4, np.float16), r"has shape \(4,\), expected \(rows, numbers\)"),
        (np.zeros((0, 4), np.float16), r"has shape \(0, 4\)"),
        (np.array([[0, 1], [np.inf, 0]], np.float16), "row 1 of 2 is not finite"),
    ],
)
def test_rows_of_another_layout_are_refused_by_name(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    with pytest.raises(LayoutError, match=f"new.npy: {reason}"):
        write_npy(tmp_path / "new.npy", array)
    np.save(tmp_path / "old.npy", array)
    with pytest.raises(LayoutError, match=f"old.npy: {reason}"):
        read_npy(tmp_path / "old.npy")


def test_broken_files_are_refused_by_name(tmp_path: Path) -> None:
    write_npy(tmp_path / "a.npy", rows(9, 9))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:100])
    (tmp_path / "text.npy").write_text("feature")
    np.save(tmp_path / "object.npy", np.array([{}], object), allow_pickle=True)
    for name in ("cut", "text", "object"):
        with pytest.raises(LayoutError, match=f"{name}.npy: cannot be read as feature rows"):
            read_npy(tmp_path / f"{name}.npy")
    np.savez(tmp_path / "b.npz", vectors=rows(2, 2))
    with pytest.raises(LayoutError, match=r"b.npz: cannot be read as feature rows: .*features"):
        read_npz(tmp_path / "b.npz")
    with pytest.raises(LayoutError, match=r"a.npy: has shape \(9, 9\), expected \(rows, 2048\)"):
        read_npy(tmp_path / "a.npy", dim=2048)
    pytest.importorskip("lmdb")
    with pytest.raises(LayoutError, match="no LMDB here"):
        next(read_lmdb(tmp_path / "nothing"))

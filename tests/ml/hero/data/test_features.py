"""Feature files: rows come back from LMDB and npz, and broken ones are named."""

import lmdb
import msgpack
import numpy as np
import pytest

from ml.hero.data.features import LmdbFeatures, NpzFolders, write_lmdb, write_npz

RNG = np.random.default_rng(0)
VIDEOS = {name: RNG.standard_normal((frames, 8)).astype(np.float16) for name, frames in (("a", 3), ("b", 5))}


@pytest.mark.parametrize("compressed", [False, True])
def test_rows_come_back_from_lmdb(tmp_path, compressed):
    write_lmdb(tmp_path, VIDEOS.items(), compressed)
    with LmdbFeatures(tmp_path) as features:
        assert features.video_ids == ["a", "b"]
        for name, rows in VIDEOS.items():
            np.testing.assert_array_equal(features.rows(name), rows)
        with pytest.raises(KeyError, match="has no video c"):
            features.rows("c")
    assert (tmp_path / "id2nframe.json").read_text() == '{"a": 3, "b": 5}'


def test_an_lmdb_grows_with_its_videos(tmp_path):
    large = np.zeros((100, 4352), np.float16)
    write_lmdb(tmp_path, ((str(number), large) for number in range(30)))  # 26 MB; it starts with 16
    with LmdbFeatures(tmp_path) as features:
        assert len(features.video_ids) == 30


def test_an_lmdb_of_an_older_msgpack_is_read(tmp_path):
    rows = VIDEOS["a"]
    array = {b"nd": True, b"type": "<f2", b"kind": b"", b"shape": rows.shape, b"data": rows.tobytes()}
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a", msgpack.packb({"features": array}, use_bin_type=False))
        transaction.put(b"b", msgpack.packb({"norm_bb": array}))
    with LmdbFeatures(tmp_path) as features:
        np.testing.assert_array_equal(features.rows("a"), rows)
        with pytest.raises(ValueError, match=r"video b: has no array 'features', only \['norm_bb'\]"):
            features.rows("b")


def test_vectors_of_several_folders_are_concatenated_and_cut_to_the_shortest(tmp_path):
    write_npz(tmp_path / "resnet", [("a", VIDEOS["b"]), ("only here", VIDEOS["b"])])
    write_npz(tmp_path / "slowfast", [("a", VIDEOS["a"])])
    features = NpzFolders([tmp_path / "resnet", tmp_path / "slowfast"])
    assert features.video_ids == ["a"]
    np.testing.assert_array_equal(features.rows("a"), np.concatenate([VIDEOS["b"][:3], VIDEOS["a"]], axis=1))
    with pytest.raises(KeyError, match="video only here has no features"):
        features.rows("only here")


def test_broken_files_are_named(tmp_path):
    write_npz(tmp_path, [("a", VIDEOS["a"])])
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "b.npz", features=np.zeros(3))
    features = NpzFolders([tmp_path])
    with pytest.raises(ValueError, match=r"a\.npz: is cut off"):
        features.rows("a")
    with pytest.raises(ValueError, match=r"features are float64\[3\], not numbers \[frames, dim\]"):
        features.rows("b")
    np.savez(tmp_path / "c.npz", features=np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match=r"c\.npz: features are not finite"):
        NpzFolders([tmp_path]).rows("c")
    with pytest.raises(FileNotFoundError, match=r"no data\.mdb"):
        LmdbFeatures(tmp_path)

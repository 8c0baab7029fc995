"""Feature arrays: resume, order, extraction with failing files, and clip vectors against a plain loop."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from assets.features.exchange import export_features, import_shard
from assets.features.extract import Extraction, VideoFile, extract_shard
from assets.features.index import index_rows
from assets.features.store import FeatureArray, FeatureStore, Source, VideoRows
from ml.joint_embedding.clip_vectors import clip_vectors
from ml.vision.sampling import Sampling, SourceVideo

DIM = 6


class Colours:
    """Stands in for a network: mean colours of the upper and lower half of pictures of 48 × 32."""

    dim = DIM

    def __init__(self, name: str = "colours", die_after: int | None = None, poison: int | None = None) -> None:
        self.name, self.fingerprint = name, f"{name}-1"
        self.batches, self.die_after, self.poison = 0, die_after, poison

    def sampling(self, video: SourceVideo) -> Sampling:
        if self.name == "colours":
            return Sampling(Fraction(2), short_side=32, centre_crop=None)
        return Sampling(Fraction(8), short_side=32, centre_crop=None, clip_frames=4, offsets=(0, 3))

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches += 1
        if self.die_after is not None and self.batches > self.die_after:
            raise KeyboardInterrupt
        halves = clips.reshape(len(clips), -1, 2, 16, 48, 3)
        vectors = halves.mean((1, 3, 4), dtype=np.float64).reshape(len(clips), DIM).astype(np.float32)
        if self.poison is not None:
            vectors[np.abs(vectors[:, 0] - self.poison) < 6] = np.nan
        return vectors


def video(path: Path, seconds: int, colour: int) -> VideoFile:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "30"})
        stream.width, stream.height = 48, 32
        for index in range(10 * seconds):
            image = np.full((32, 48, 3), (colour, index % 256, 90), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return VideoFile(path.stem, path, f"sha-{path.stem}", SourceVideo(10, seconds))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[VideoFile]:
    folder = tmp_path_factory.mktemp("videos")
    good = [video(folder / f"v{index}.mp4", 4 + index, 40 * index) for index in range(5)]
    whole = good[2].path.read_bytes()
    for name, content in (("v5", whole[: len(whole) // 2]), ("v6", b"")):
        (folder / f"{name}.mp4").write_bytes(content)
        good.append(VideoFile(name, folder / f"{name}.mp4", name, SourceVideo(10, 4)))
    return good[::-1]


def content(array: FeatureArray) -> list[tuple[object, ...]]:
    return array.index().rows()


def test_extraction_keeps_the_good_and_names_the_broken(files: list[VideoFile], tmp_path: Path) -> None:
    store, backbone = FeatureStore(tmp_path), Colours()
    outcomes = extract_shard(files, [backbone], store, "shard-0000")
    assert [(each.video_id, each.rows, each.rate_hz, each.status) for each in outcomes] == [
        *((f"v{index}", 2 * (4 + index), 2.0, "ok") for index in range(5)),
        ("v5", 0, 2.0, "failed"),
        ("v6", 0, 2.0, "failed"),
    ]
    assert outcomes[5].error is not None and outcomes[5].error.startswith("v5.mp4: ")
    assert outcomes[6].error == "v6.mp4: zero bytes"
    array = store.array("colours", "shard-0000")
    index = array.index()
    assert index["video_id"].to_list() == [f"v{index}" for index in range(5)]
    assert index["first_row"].to_list() == [0, 8, 18, 30, 44]
    times, vectors = array.read_video("v3")
    assert times.tolist() == pytest.approx([0.2 + 0.5 * cell for cell in range(14)])
    assert vectors[:, 0] == pytest.approx(120, abs=6)
    assert np.array_equal(np.concatenate(array.take([(30, 4), (34, 10)])), vectors)
    assert np.array_equal(array.rows(30, 14)[1], vectors)


def test_two_networks_share_one_pass_and_a_later_one_leaves_the_first_alone(
    files: list[VideoFile], tmp_path: Path
) -> None:
    together, apart = FeatureStore(tmp_path / "together"), FeatureStore(tmp_path / "apart")
    outcomes = extract_shard(files, [Colours(), Colours("motion")], together, "shard-0000")
    assert [(each.stream, each.rows) for each in outcomes if each.video_id == "v2"] == [("colours", 12), ("motion", 12)]
    extract_shard(files, [Colours()], apart, "shard-0000")
    first = Colours()
    extract_shard(files, [first, Colours("motion")], apart, "shard-0000")
    assert first.batches == 0
    for stream in ("colours", "motion"):
        assert content(together.array(stream, "shard-0000")) == content(apart.array(stream, "shard-0000"))


def test_a_vector_that_is_not_finite_fails_its_video_only(files: list[VideoFile], tmp_path: Path) -> None:
    outcomes = extract_shard(files, [Colours(poison=120)], FeatureStore(tmp_path), "shard-0000")
    assert [each.video_id for each in outcomes if each.status == "failed"] == ["v3", "v5", "v6"]
    assert outcomes[3].error == "row 0 of 14 by colours is not finite"


def test_a_second_run_decodes_and_writes_nothing(files: list[VideoFile], tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    first = extract_shard(files, [Colours()], store, "shard-0000")
    version, again = store.array("colours", "shard-0000").version(), Colours()
    assert extract_shard(files, [again], store, "shard-0000") == first
    assert (again.batches, store.array("colours", "shard-0000").version()) == (0, version)


@pytest.mark.parametrize("die_after", [0, 6])
def test_content_does_not_depend_on_where_an_extraction_died(
    files: list[VideoFile], tmp_path: Path, die_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.features.extract.UNSAVED_ROWS", 1)
    whole, broken = FeatureStore(tmp_path / "whole"), FeatureStore(tmp_path / "broken")
    extract_shard(files, [Colours()], whole, "shard-0000", batch=8)
    with pytest.raises(KeyboardInterrupt):
        extract_shard(files, [Colours(die_after=die_after)], broken, "shard-0000", batch=8)
    assert bool(broken.array("colours", "shard-0000").finished()) == (die_after > 0)
    seen: list[Extraction] = []
    extract_shard(files, [Colours()], broken, "shard-0000", seen.append)
    assert content(broken.array("colours", "shard-0000")) == content(whole.array("colours", "shard-0000"))
    assert sorted(each.video_id for each in seen) == [f"v{index}" for index in range(7)]


def test_what_was_saved_survives_a_full_disk(files: list[VideoFile], tmp_path: Path) -> None:
    """A limit on the size of files stands in for the end of the disk: both are refused writes."""
    child = multiprocessing.get_context("spawn").Process(target=_fill_the_disk, args=(files, tmp_path))
    child.start()
    child.join()
    assert child.exitcode == FULL
    store = FeatureStore(tmp_path)
    there = store.array("colours", "shard-0000").finished()
    outcomes = extract_shard(files, [Colours()], store, "shard-0000")
    assert sum(each.status == "ok" for each in outcomes) == 5 >= len(there)


FULL = 3


def _fill_the_disk(files: list[VideoFile], root: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
    try:
        extract_shard(files, [Colours()], FeatureStore(root), "shard-0000")
    except OSError:
        sys.exit(FULL)


def rows(video_id: str, count: int, sha: str = "a") -> VideoRows:
    vectors = np.random.default_rng(count).standard_normal((count, DIM)).astype(np.float16)
    return VideoRows(Source(video_id, sha, "x"), np.arange(count) + 0.5, vectors)


def test_finish_leaves_exactly_what_is_wanted(tmp_path: Path) -> None:
    array = FeatureStore(tmp_path).array("s", "shard-0000")
    assert (array.version(), array.finished(), array.index().height) == (None, {}, 0)
    array.finish([])
    (array.path / "data").mkdir(parents=True)  # what a first write leaves when it is killed
    assert array.finished() == {}
    b, a, changed = rows("b", 3), rows("a", 2), rows("b", 4, "new")
    array.append([b])
    array.append([a, changed])
    array.append([])
    assert array.finished() == {b.source: 3, a.source: 2, changed.source: 4}
    array.finish([a.source, changed.source])
    assert array.finished() == {a.source: 2, changed.source: 4}
    assert np.array_equal(array.rows(0, 6)[1], np.concatenate([a.vectors, changed.vectors]))
    with pytest.raises(KeyError, match="no rows of b"):
        array.finish([b.source])
    array.finish([])
    assert array.finished() == {}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_clip_vectors_equal_a_plain_loop(data: st.DataObject) -> None:
    rate = data.draw(st.sampled_from([1.0, 1.5, 2.0]))
    lengths = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
    spans = st.tuples(st.integers(0, len(lengths) - 1), st.floats(0, 9), st.floats(0, 5))
    clips = data.draw(st.lists(spans, max_size=12))
    features = np.random.default_rng(sum(lengths)).standard_normal((sum(lengths), 3)).astype(np.float16)
    starts = np.cumsum([0, *lengths[:-1]])
    video, start, length = (np.array([clip[part] for clip in clips], float) for part in range(3))
    video = video.astype(np.int64)
    vectors, empty = clip_vectors(
        features, start, start + length, rate, starts[video], np.array(lengths, np.int64)[video]
    )
    assert vectors.shape == (len(clips), 3) and vectors.dtype == np.float32
    for clip, (number, s, extent) in enumerate(clips):
        own = features[starts[number] :][: lengths[number]].astype(np.float64)
        cut = own[int(s * rate) : int((s + extent) * rate) + 1]
        assert empty[clip] == (len(cut) == 0)
        expected = cut.max(0) / np.linalg.norm(cut.max(0)) if len(cut) else np.zeros(3)
        assert np.allclose(vectors[clip], expected, atol=1e-6)


@pytest.mark.parametrize("layout", ["npy", "npz"])
def test_exported_features_come_back_as_they_were(
    files: list[VideoFile], tmp_path: Path, layout: Literal["npy", "npz"]
) -> None:
    ours, theirs = FeatureStore(tmp_path / "ours"), FeatureStore(tmp_path / "theirs")
    backbone = Colours()
    outcomes = extract_shard(files, [backbone], ours, "shard-0000")
    arrays = {"colours": ours.array("colours", "shard-0000")}
    index = index_rows(outcomes, arrays, {"colours": (DIM, backbone.fingerprint)}, "shard-0000")
    assert export_features(index, ours, ["colours"], layout, tmp_path / "files") == 5
    (tmp_path / "files" / "colours" / f"v4.{layout}").write_bytes(b"not an array")
    for _ in range(2):
        read, dim = import_shard(
            tmp_path / "files" / "colours", "colours", 2.0, [f"v{i}" for i in range(6)], theirs, "shard-0000"
        )
        assert dim == DIM
        assert [each.status for each in read] == ["ok"] * 4 + ["failed"] * 2
        assert read[5].error is not None and "no v5.npy, .npz or .pth.tar" in read[5].error
        for video_id in ("v0", "v3"):
            times, rows = theirs.array("colours", "shard-0000").read_video(video_id)
            assert np.array_equal(rows, arrays["colours"].read_video(video_id)[1])
            assert times[:2].tolist() == [0.25, 0.75]

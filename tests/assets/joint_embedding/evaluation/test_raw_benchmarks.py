"""Benchmarks from raw videos: the published annotations, and features by the networks in force."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest

from assets.contents import Contents
from assets.features.options import FeatureOptions
from assets.features.store import FeatureStore
from assets.joint_embedding.evaluation.benchmarks import Files
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.evaluation.raw_videos import SHARD, make_files
from assets.lake import Lake, load_tables
from ml.crosstask.files import CrossTask, Task, TaskVideo
from ml.joint_embedding.benchmarks import EvaluationSet, write_lsmdc
from orchestration.artifacts.tables import contract_violations

NETWORKS = FeatureOptions("efficientnet_lite0", device="cpu")


def write_video(path: Path, seconds: int) -> None:
    """A picture a second, each of another brightness."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4, options={"crf": "10"})
        stream.width, stream.height = 64, 48
        for frame in range(4 * seconds):
            image = np.full((48, 64, 3), 30 * (frame // 4), np.uint8)
            image[8:24, 8 + 4 * len(path.stem) :] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkOptions:
    root = tmp_path_factory.mktemp("benchmarks")
    write_video(root / "videos" / "cooking" / "omelette.mp4", 7)
    write_video(root / "videos" / "msr" / "video1.mp4", 4)
    (root / "videos" / "broken.mp4").write_text("no video")
    (root / "videos" / "elsewhere.mp4").symlink_to(root / "not mounted")
    (root / "youcook_val.csv").write_text(
        "end,start,task,text,video_id\n"
        "2.5,0,101,whisk the eggs,omelette\n"
        "6,4,101,fold it,omelette\n"
        "99,90,101,serve it,omelette\n"
        "5,1,102,peel them,gone\n"
    )
    (root / "MSRVTT_JSFUSION_test.csv").write_text(
        "key,vid_key,video_id,sentence\n"
        "ret0,msr1,video1,a man cooks\n"
        "ret1,msr2,broken,a dog\n"
        "ret2,msr3,elsewhere,a cat\n"
    )
    crosstask = CrossTask(root / "crosstask")
    crosstask.write([Task("7", "Make an Omelette", "", ("whisk", "fold"))], [])
    crosstask.write_lists([TaskVideo("7", "omelette", ""), TaskVideo("7", "gone", "")], [])
    (root / "crosstask" / "crosstask_features").rmdir()
    published = np.ones((1, 3), np.float32)
    films = EvaluationSet("LSMDC", "test", ["film"], {"2d": published, "3d": published}, ["he runs"], np.arange(1))
    write_lsmdc(films, Files(root).lsmdc_test, Files(root).lsmdc_features)
    return BenchmarkOptions(root, 1, root.with_name("made"))


@pytest.fixture(scope="module")
def rows(options: BenchmarkOptions) -> pl.DataFrame:
    return make_files(options, NETWORKS, lambda outcome: None)


def test_the_outcome_of_each_video_is_recorded(rows: pl.DataFrame, tmp_path: Path) -> None:
    outcomes = {tuple(row[:3]): row[3:6] for row in rows.iter_rows()}
    assert outcomes == {
        ("YouCook2", "validation", "omelette"): (3, 1, "ok"),
        ("YouCook2", "validation", "gone"): (1, 1, "missing"),
        ("MSR-VTT", "test 1k-A", "video1"): (1, 0, "ok"),
        ("MSR-VTT", "test 1k-A", "broken"): (1, 1, "failed"),
        ("MSR-VTT", "test 1k-A", "elsewhere"): (1, 1, "failed"),
        ("CrossTask", "all", "omelette"): (0, 0, "ok"),
        ("CrossTask", "all", "gone"): (0, 0, "missing"),
    }
    errors = dict(rows.select("video_id", "error").iter_rows())
    assert "videos/" in errors["gone"] and errors["broken"]
    lake = Lake(tmp_path)
    lake.write("benchmark_videos", rows)
    assert not contract_violations(lake, load_tables()["benchmark_videos"], None)


def test_files_are_those_that_the_published_code_reads(options: BenchmarkOptions, rows: pl.DataFrame) -> None:
    assert options.files is not None
    sets = {name: read() for name, read in Files(options.files).test_sets().items()}
    assert sets["YouCook2"].captions == ["whisk the eggs", "fold it"]
    assert sets["MSR-VTT 1k-A"].ids == ["video1"]
    assert sets["LSMDC"].ids == ["film"] and sets["LSMDC"].vectors.shape == (1, 6), "published features stay"
    _, features = FeatureStore(options.made / "arrays").array("efficientnet_lite0", SHARD).rows(0, 7)
    pooled = features[4:7].astype(np.float32).max(0)  # seconds 4 to 6, inclusive
    assert np.allclose(sets["YouCook2"].vectors[1], pooled / np.linalg.norm(pooled), atol=1e-3)

    crosstask = CrossTask(options.files / "crosstask")
    omelette, gone = crosstask.videos()
    assert crosstask.features(omelette).shape == (7, 1280) and not crosstask.has_features(gone)
    assert not (options.root / "crosstask" / "crosstask_features").exists(), "the originals are not changed"


def test_a_video_that_comes_later_is_added(options: BenchmarkOptions, rows: pl.DataFrame) -> None:
    before = Contents().version(options.root)
    write_video(options.root / "videos" / "gone.mp4", 6)
    assert Contents().version(options.root) != before
    again = make_files(options, NETWORKS, lambda outcome: None)
    status = dict(again.filter(pl.col("benchmark") == "YouCook2").select("video_id", "status").iter_rows())
    assert status == {"omelette": "ok", "gone": "ok"}
    assert len(Files(options.files).test_sets()["YouCook2"]().ids) == 3


def test_without_raw_videos_the_folder_is_read_as_it_is(tmp_path: Path) -> None:
    options = BenchmarkOptions(tmp_path, 1, made=tmp_path / "made")
    assert make_files(options, NETWORKS, lambda outcome: None).is_empty()
    assert options.files == tmp_path and not options.made.exists()

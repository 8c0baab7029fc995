"""Videos of the lake as HERO's clips: cut by the minute, a row of features a frame, captions where they begin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
import torch

from assets.features.reader import FeatureReader, StreamRows
from assets.features.store import FeatureStore, Source, VideoRows
from assets.hero.clips import cut_video, places, pooled_frames, write_shard
from assets.hero.how2 import annotated, release, write_sheet
from assets.hero.options import TASKS, HeroClipOptions, HeroOptions, HeroTaskOptions
from assets.hero.pretraining import pretraining_job
from assets.hero.tasks.benchmarks import LakeTables, evaluations, fine_tuning_job
from assets.hero.tasks.released import evaluate_released
from assets.lake import load_tables
from assets.models.options import RuntimeOptions
from assets.outcomes import SourceError
from assets.sources.protocol import VideoSource
from assets.sources.synthetic import SyntheticSource
from assets.sources.synthetic.annotations import subtitles, write_annotations
from assets.sources.synthetic.frames import frame_features
from assets.sources.synthetic.ground_truth import video_steps
from ml.hero.clip_store import ClipStore, StoredClips
from ml.hero.data.annotations import read_how2qa
from ml.hero.data.features import write_npz
from ml.hero.data.subtitles import Line
from ml.hero.downstream.benchmarks import BENCHMARKS
from ml.hero.downstream.job import Job
from ml.hero.tokenizer import trained
from ml.training import read_model_folder
from tests.youtube_collection import NoArticles

OPTIONS = HeroClipOptions(clip_s=60, interval_s=2)


def stream(seconds: float, rate_hz: float, dim: int) -> StreamRows:
    """Rows whose numbers are their own time."""
    times = np.arange(0, seconds, 1 / rate_hz)
    return StreamRows(times, np.repeat(times[:, None], dim, 1).astype(np.float16), rate_hz)


def test_frames_are_means_of_their_rows_side_by_side() -> None:
    frames = pooled_frames([stream(10, 1, 2), stream(9.9, 0.5, 1)], 2.0)
    assert frames.shape == (5, 3)
    np.testing.assert_array_equal(frames, [[t + 0.5, t + 0.5, t] for t in (0, 2, 4, 6, 8)])


def test_a_cell_without_a_row_takes_the_nearest() -> None:
    frames = pooled_frames([stream(12, 0.25, 1)], 2.0)
    np.testing.assert_array_equal(frames[:, 0], [0, 4, 4, 8, 8])


def test_a_line_belongs_to_the_clip_it_begins_in() -> None:
    lines = [Line(0.0, 3.0, "one"), Line(58.0, 63.0, "two"), Line(60.0, 62.0, "three"), Line(200.0, 201.0, "late")]
    cuts = list(cut_video("v", [stream(75, 1, 2)], lines, OPTIONS))
    assert [(cut.clip.clip_id, cut.start_s, cut.end_s, len(cut.clip.features)) for cut in cuts] == [
        ("v.0", 0.0, 60.0, 30),
        ("v.1", 60.0, 76.0, 8),
    ]
    assert [cut.clip.lines for cut in cuts] == [lines[:2], [Line(0.0, 2.0, "three")]]


def test_clips_end_at_cuts_in_their_second_half_where_frames_begin_again() -> None:
    """Rows are their own time: cuts at 45 and 51 s end the first clip at 51 s, and no cut divides the next minute."""
    cuts = list(cut_video("v", [stream(120, 1, 1)], [Line(50.5, 53.0, "one")], OPTIONS, [7.0, 45.0, 51.0, 70.0]))
    assert [(cut.start_s, cut.end_s, len(cut.clip.features)) for cut in cuts] == [
        (0.0, 51.0, 26),
        (51.0, 111.0, 30),
        (111.0, 121.0, 5),
    ]
    assert cuts[0].clip.features[-1, 0] == 50 and cuts[1].clip.features[0, 0] == 51.5
    assert cuts[0].clip.lines == [Line(50.5, 53.0, "one")]


def test_a_shard_is_written_and_a_video_without_features_has_its_reason(tmp_path: Path) -> None:
    features, shard = FeatureStore(tmp_path / "arrays"), "shard-0000"
    array = features.array("net", shard)
    rows = stream(70, 1, 4)
    array.append([VideoRows(Source(video, "sha", "net"), rows.times, rows.vectors) for video in ("a", "b")])
    contract = load_tables()["feature_index"]
    index = contract.frame(
        (shard, video, "net", first, rows, 1.0, 4, "net", "x", "ok", None)
        for video, first, rows in (("a", 0, 70), ("b", 70, 70))
    )
    clips = pl.DataFrame(
        {
            "video_id": ["a", "a", "c"],
            "start_s": [1.0, 61.0, 0.0],
            "end_s": [3.0, 64.0, 2.0],
            "caption": ["x", "y", "z"],
        }
    )
    store = ClipStore(tmp_path / "clips")
    rows = write_shard(clips, FeatureReader(index, features, ["net"]), store, shard, OPTIONS)
    written = rows.select("clip_id", "frames", "subtitles", "array_row", "reason").rows()
    assert written == [("a.0", 30, 1, 0, None), ("a.1", 5, 1, 1, None), ("c.0", 0, 1, None, "no features by net")]
    stored = StoredClips(store, places(rows.filter(pl.col("frames") > 0)), lambda text: [5])
    assert [len(stored[number].features) for number in range(2)] == [30, 5]


def test_synthetic_features_of_equal_scenes_are_alike_and_of_others_are_not() -> None:
    source = SyntheticSource(6, 1, 0)
    steps = video_steps(source, "synthetic-00001")
    frames = frame_features(source, "synthetic-00001", 1.0).astype(float)
    one, other = (frames[int(step.start_s) + 1 : int(step.end_s)] for step in steps[:2])

    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([[np.dot(x, y) / np.linalg.norm(x) / np.linalg.norm(y) for x in a] for y in b]))

    assert likeness(one, one) > 0.8 > 0.5 > likeness(one, other)
    np.testing.assert_array_equal(frame_features(source, "synthetic-00001", 1.0), frames)


@dataclass(frozen=True)
class Pretrained:
    """A synthetic world, its lake tables, and a model folder that knows next to nothing."""

    source: VideoSource
    tables: LakeTables
    models: Path
    options: HeroOptions


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    root, shard, source = tmp_path_factory.mktemp("hero"), "shard-0000", SyntheticSource(12, 1, 0)
    ids = [f"synthetic-{number:05d}" for number in range(12)]
    ids = [each for each in ids if subtitles(source, each)]
    features = FeatureStore(root / "arrays")
    rows = [frame_features(source, each, 1.0, 16) for each in ids]
    sources = [Source(each, "sha", "net") for each in ids]
    features.array("net", shard).append(
        [VideoRows(own, np.arange(len(part)) + 0.5, part) for own, part in zip(sources, rows, strict=True)]
    )
    firsts = np.cumsum([0, *map(len, rows)]).tolist()
    index = load_tables()["feature_index"].frame(
        (shard, each, "net", first, len(part), 1.0, 16, "net", "x", "ok", None)
        for each, first, part in zip(ids, firsts, rows, strict=False)
    )
    lines = [(each, *line) for each in ids for line in subtitles(source, each)]
    clips = pl.DataFrame(lines, schema=["video_id", "start_s", "end_s", "caption"], orient="row")
    store = ClipStore(root / "clips")
    cut = write_shard(clips, FeatureReader(index, features, ["net"]), store, shard, OPTIONS)
    options = HeroOptions(0, "small", steps=4, batch=4, learning_rate=1e-3)
    models = root / "models"
    trained(clips["caption"].to_list(), 400).write(models / "hero_tokenizer", {})
    manifest_rows = cut.with_columns(
        split=pl.when(pl.col("array_row") % 5 == 0).then(pl.lit("validation")).otherwise(pl.lit("train"))
    )
    runtime = RuntimeOptions("no", "cpu", False, 0)
    pretraining_job(models / "hero", models / "hero_tokenizer", store, manifest_rows, options, runtime, {}).run()
    return Pretrained(source, LakeTables(clips, FeatureReader(index, features, ["net"])), models, options)


RUNTIME = RuntimeOptions("no", "cpu", False, 0)
TASK_OPTIONS = HeroTaskOptions(steps=3)
HEADLINES = {
    "tvr": "VCMR_0.7_R@1",
    "how2r": "VCMR_0.7_R@1",
    "didemo": "VCMR_0.7_R@1",
    "msrvtt": "R@1",
    "tvqa": "accuracy",
    "how2qa": "accuracy",
    "violin": "accuracy",
    "tvc": "CIDEr-D",
}


def job_of(world: Pretrained, name: str, scratch: Path, options: HeroTaskOptions = TASK_OPTIONS) -> Job | None:
    """The fine-tuning on a benchmark."""
    provenance, models = {"lake_snapshot": 7}, world.models
    return fine_tuning_job(
        name, world.tables, world.source, world.options, options, RUNTIME, models, scratch, provenance
    )


@pytest.mark.parametrize("name", TASKS)
def test_each_benchmark_is_fine_tuned_on_and_measured(pretrained: Pretrained, tmp_path: Path, name: str) -> None:
    world, benchmark = pretrained, BENCHMARKS[name]
    logged: list[dict[str, float]] = []
    job = job_of(world, name, tmp_path)
    assert job is not None
    job.run(logged.append)
    stored = read_model_folder(world.models / f"hero_{name}")
    rows = evaluations(name, stored)
    assert len(stored.history) == len(logged) == 2
    assert set(rows["model"]) == {f"hero_{name}"} and set(rows["benchmark"]) == {f"{TASKS[name]} (synthetic)"}
    measured = dict(rows.filter(pl.col("method") == "fine-tuned").select("metric", "value").rows())
    assert HEADLINES[name] in measured and measured["without_video"] == 0
    assert ("pre-trained" in set(rows["method"])) == benchmark.zero_shot
    assert rows["queries"].min() > 0
    assert (stored.config.get("task"), stored.metrics[HEADLINES[name]]) == (benchmark.head, measured[HEADLINES[name]])


def test_published_files_are_read_where_they_are_set(pretrained: Pretrained, tmp_path: Path) -> None:
    world = pretrained
    ids = sorted(set(world.tables.clips["video_id"]))
    write_annotations(world.source, ids, tmp_path)
    (tmp_path / "synthetic_subtitles.jsonl").rename(tmp_path / "subtitles.jsonl")
    write_npz(tmp_path / "features", [(each, frame_features(world.source, each, 1.5, 16)) for each in ids])
    published = HeroTaskOptions(steps=3, benchmarks=tmp_path)
    no_features = FeatureReader(load_tables()["feature_index"].frame([]), FeatureStore(tmp_path), ["net"])
    nothing = replace(world, tables=LakeTables(world.tables.clips.clear(), no_features), source=NoArticles())
    job = job_of(nothing, "tvr", tmp_path / "scratch", published)
    assert job is not None
    job.run()
    rows = evaluations("tvr", read_model_folder(job.output))
    assert set(rows["benchmark"]) == {"TVR (published files)"}
    tuned = dict(rows.filter(pl.col("method") == "fine-tuned").select("metric", "value").rows())
    found = evaluate_released(world.models / "hero_tvr", "tvr", tmp_path, None, "cpu")
    own = next(entry for name, entry in found.items() if "independent of the batch, overlap" in name)
    assert {name: own[name] for name in tuned if name.startswith("VCMR")} == {
        name: value for name, value in tuned.items() if name.startswith("VCMR")
    }
    (tmp_path / "tvqa_val.jsonl").unlink()
    assert job_of(nothing, "tvqa", tmp_path / "scratch", published) is None


@pytest.mark.campaign
def test_two_processes_resume_a_fine_tuning_after_a_kill(pretrained: Pretrained, tmp_path: Path) -> None:
    job = job_of(pretrained, "tvr", tmp_path / "files", HeroTaskOptions(steps=60))
    assert job is not None
    runtime = replace(job.runtime, checkpoints=tmp_path / "checkpoints", checkpoint_every_s=0.5)
    killed, whole = (replace(job, output=tmp_path / name, runtime=runtime) for name in ("killed", "whole"))
    with of_two_processes(killed, tmp_path) as running:
        while not list((tmp_path / "checkpoints").glob("step-*")):
            assert running.poll() is None
            time.sleep(0.05)
        for process in (*psutil.Process(running.pid).children(recursive=True), running):
            process.kill()
    begun = [int(path.name.removeprefix("step-")) for path in (tmp_path / "checkpoints").glob("step-*")]
    assert begun and not killed.output.exists()
    for each in (killed, whole):
        with of_two_processes(each, tmp_path) as running:
            assert running.wait(300) == 0
        if each is killed:
            first = re.search(r"(\d+)/60 ", (tmp_path / "progress.txt").read_text())
            assert first and int(first[1]) >= max(begun)
    resumed, expected = (read_model_folder(each.output) for each in (killed, whole))
    assert [entry["loss"] for entry in resumed.history] == [entry["loss"] for entry in expected.history]
    assert all(torch.equal(tensor, expected.state[name]) for name, tensor in resumed.state.items())
    assert resumed.metrics["VCMR_mean"] == expected.metrics["VCMR_mean"]


def of_two_processes(job: Job, folder: Path) -> subprocess.Popen[bytes]:
    """A job in two processes of ``torchrun``, with their progress bar in the file ``progress.txt``."""
    job.write(folder / "job.json")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launcher, "-m", "ml.hero.downstream.job", "--job", str(folder / "job.json")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    with (folder / "progress.txt").open("w") as file:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=file)


def test_synthetic_annotations_become_a_release_without_a_shortcut_in_the_text(tmp_path: Path) -> None:
    source = SyntheticSource(200, 1, 0)
    ids = [f"synthetic-{number:05d}" for number in range(200)]
    written = annotated(source, ids, tmp_path / "nothing.csv")
    records, measured = release(*written, tmp_path / "how2", seed=0)
    assert measured["text_only_before"] > 0.4 > 0.35 > measured["text_only_after"]
    released = records.filter(pl.col("reason").is_null())
    assert len(released) == measured["queries"] + measured["questions"]
    assert set(records.group_by("video_id").agg(pl.col("split").n_unique())["split"]) == {1}
    assert len(read_how2qa(tmp_path / "how2" / "how2qa_test.csv")) == len(
        released.filter(pl.col("kind") == "question", pl.col("split") == "test")
    )
    assert records.filter(pl.col("reason").is_not_null())["reason"].n_unique() > 1


def test_a_sheet_is_filled_in_by_people_and_read(tmp_path: Path) -> None:
    clips = pl.DataFrame({"video_id": ["v"], "start_s": [0.0], "end_s": [60.0], "frames": [30]})
    captions = pl.DataFrame({"video_id": ["v"], "start_s": [2.0], "end_s": [4.0], "caption": ["stir it"]})
    assert write_sheet(tmp_path / "sheet.csv", clips, captions) == 3
    sheet = pl.read_csv(tmp_path / "sheet.csv", infer_schema_length=0)
    query = "a person stirs the red paint with a long stick"
    answers = {"question": "what is stirred", "right_answer": "paint", "wrong_answer_1": "soup"}
    answers |= {"wrong_answer_2": "tea", "wrong_answer_3": "milk", "query": query}
    filled = sheet.head(1).with_columns(**{name: pl.lit(text) for name, text in answers.items()})
    pl.concat([filled, sheet.tail(2)]).write_csv(tmp_path / "filled.csv")
    descriptions, questions = annotated(NoArticles(), [], tmp_path / "filled.csv")
    assert [(each.text, each.clip, each.intervals) for each in descriptions] == [(query, (0.0, 60.0), ((0.0, 20.0),))]
    assert [(each.options, each.answer) for each in questions] == [(("paint", "soup", "tea", "milk"), 0)]
    sheet.drop("question").write_csv(tmp_path / "filled.csv")
    with pytest.raises(SourceError, match=r"has no column question; start from how2_sheet\.csv"):
        annotated(NoArticles(), [], tmp_path / "filled.csv")
    sheet.with_columns(start_s=pl.lit("soon")).write_csv(tmp_path / "filled.csv")
    with pytest.raises(SourceError, match=r"line 2: .*soon.*; times are seconds"):
        annotated(NoArticles(), [], tmp_path / "filled.csv")
    nothing = annotated(NoArticles(), [], tmp_path / "nothing.csv")
    assert nothing == ([], [])
    records, measured = release(*nothing, tmp_path / "how2", seed=0)
    assert records.is_empty() and measured == {"queries": 0, "questions": 0}

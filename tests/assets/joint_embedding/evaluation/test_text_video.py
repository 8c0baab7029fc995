"""Zero-shot evaluation of an open_clip model with random weights on raw videos, against a plain script."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from av.video.reformatter import Interpolation
from click.testing import CliRunner
from numpy.typing import NDArray

from assets.features.reader import FeatureReader
from assets.features.store import FeatureStore
from assets.joint_embedding.alignment import align_shard
from assets.joint_embedding.clip_search import write_clip_index
from assets.joint_embedding.evaluation import one_model
from assets.joint_embedding.evaluation.lake_benchmarks import LakeData
from assets.joint_embedding.evaluation.lake_text_video import text_video_rows
from assets.joint_embedding.evaluation.one_model import evaluate_tower
from assets.joint_embedding.evaluation.options import BenchmarkOptions
from assets.joint_embedding.evaluation.raw_videos import described_videos
from assets.joint_embedding.text_video import LakeModel, tower_index
from assets.sources.folder import FolderSource
from ml.crosstask.dynamic_program import align_steps
from ml.crosstask.evaluation import Split
from ml.crosstask.files import CrossTask, Interval, Task, TaskVideo
from ml.joint_embedding.clip_index import ClipIndex
from ml.joint_embedding.pair_store import PairStore
from ml.joint_embedding.pairs import VideoPairs
from ml.joint_embedding.search import ClipSearch
from ml.text_video import s3d as text_video_s3d
from ml.text_video.open_clip import OpenClipTextVideo
from ml.vision import s3d
from ml.vision.presets import Options
from orchestration.cli.app import howto
from tests.ml.text_video.towers import CONFIGS, open_clip_folder, s3d_folder

VIDEOS, SECONDS = 6, 6
STEPS = ("whisk the eggs", "fold it")


def write_video(path: Path, seed: int) -> None:
    """Random coarse pictures, four per second."""
    random = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4, options={"crf": "5"})
        stream.width, stream.height = 64, 48
        for _ in range(4 * SECONDS):
            image = random.integers(0, 256, (3, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four benchmarks in the published lists, of the same six videos."""
    root = tmp_path_factory.mktemp("benchmarks")
    (root / "videos").mkdir()
    for number in range(VIDEOS):
        write_video(root / "videos" / f"v{number}.mp4", number)
    clips = [
        (end, start, f"caption {number} {start}", f"v{number}") for number in range(VIDEOS) for start, end in PARTS
    ]
    rows = [f"{end},{start},101,{text},{video}" for end, start, text, video in clips]
    (root / "youcook_val.csv").write_text("\n".join(["end,start,task,text,video_id", *rows, "9,1,1,gone,gone", ""]))
    sentences = [f"ret{n},msr{n},v{n},sentence {n}" for n in range(VIDEOS)]
    (root / "MSRVTT_JSFUSION_test.csv").write_text("\n".join(["key,vid_key,video_id,sentence", *sentences, ""]))
    (root / "MSRVTT_full_test.csv").write_text("\n".join(["video_id", *(f"v{n}" for n in range(VIDEOS)), ""]))
    pairs = [{"video_id": f"v{n}", "caption": f"{word} {n}"} for n in range(VIDEOS) for word in ("sentence", "other")]
    (root / "MSRVTT_full_test_data.json").write_text(json.dumps({"sentences": pairs}))
    films = ["\t".join([f"v{n}", "", "", "", "", f"sentence {n}"]) for n in range(VIDEOS)]
    (root / "LSMDC16_challenge_1000_publictect.csv").write_text("\n".join([*films, ""]))
    crosstask, tested = CrossTask(root / "crosstask"), [TaskVideo("7", f"v{n}", "") for n in range(VIDEOS)]
    crosstask.write([Task("7", "Make an Omelette", "", STEPS)], [])
    crosstask.write_lists(tested, [])
    for video in tested:
        crosstask.write_video(video, np.zeros((1, 1)), [], [Interval(0, 0.0, 2.0), Interval(1, 3.0, 5.0)])
    return root


PARTS = ((0.0, 2.5), (3.0, 5.5))


class PlainScript:
    """CLIP's usual evaluation in few lines: eight pictures of a clip, mean of their unit vectors, dot product."""

    def __init__(self, folder: Path) -> None:
        self.model = open_clip.create_model_from_pretrained(f"local-dir:{folder}", return_transform=False).eval()
        self.tokenizer, self.preprocessing = open_clip.get_tokenizer(f"local-dir:{folder}"), CONFIGS["clip"][1]

    @torch.inference_mode()
    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        return self.model.encode_text(self.tokenizer(texts), normalize=True).numpy()

    @torch.inference_mode()
    def clip(self, path: Path, times: NDArray[np.float64]) -> NDArray[np.float32]:
        with av.open(str(path)) as container:
            shown = [(float(frame.pts * frame.time_base), self.picture(frame)) for frame in container.decode(video=0)]
        chosen = [[picture for start, picture in shown if start <= time][-1] for time in times]
        inputs = torch.from_numpy(np.stack(chosen)).float()
        return self.model.encode_image(inputs, normalize=True).numpy()

    def picture(self, frame: av.VideoFrame) -> NDArray[np.float64]:
        scaled = frame.reformat(42, 32, "rgb24", interpolation=Interpolation.BICUBIC).to_ndarray()[:, 5:37]
        values = (scaled / 255 - self.preprocessing["mean"]) / self.preprocessing["std"]
        return values.transpose(2, 0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return open_clip_folder(tmp_path_factory.mktemp("models"), "clip")


@pytest.fixture(scope="module")
def tower(folder: Path) -> OpenClipTextVideo:
    return OpenClipTextVideo(folder, Options())


@pytest.fixture(scope="module")
def script(folder: Path) -> PlainScript:
    return PlainScript(folder)


def recalls(scores: NDArray[np.float32]) -> dict[str, float]:
    """R@k of ``scores[text, video]``; the texts of a video follow one another."""
    own = np.arange(len(scores)) * scores.shape[1] // len(scores)
    ranks = (scores > scores[np.arange(len(scores)), own, None]).sum(1)
    return {f"R@{k}": float((ranks < k).mean()) for k in (1, 5, 10)} | {"median_rank": float(np.median(ranks)) + 1}


def test_an_open_clip_model_gets_the_numbers_of_a_plain_script(
    root: Path, tower: OpenClipTextVideo, script: PlainScript
) -> None:
    paths = [root / "videos" / f"v{number}.mp4" for number in range(VIDEOS)]
    whole = np.stack([script.clip(path, np.linspace(0, SECONDS, 8)).mean(0) for path in paths])
    parts = np.stack([script.clip(path, np.linspace(*part, 8)).mean(0) for path in paths for part in PARTS])
    captions = [f"caption {number} {start}" for number in range(VIDEOS) for start, _ in PARTS]
    sentences = [f"sentence {number}" for number in range(VIDEOS)]
    every = [f"{word} {number}" for number in range(VIDEOS) for word in ("sentence", "other")]
    expected = {
        "MSR-VTT full": recalls(script.texts(every) @ whole.T),
        "YouCook2": recalls(script.texts(captions) @ parts.T),
        "MSR-VTT 1k-A": recalls(script.texts(sentences) @ whole.T),
        "LSMDC": recalls(script.texts(sentences) @ whole.T),
    }
    names = {"youcook2": ("YouCook2",), "msrvtt": ("MSR-VTT 1k-A", "MSR-VTT full"), "lsmdc": ("LSMDC",)}
    for task, name in ((task, name) for task, own in names.items() for name in own):
        found, left_out = evaluate_tower(tower, task, root, lambda video, reason: None)
        measured = found[f"{name}, text to video"]
        assert {metric: measured[tower.identity][metric] for metric in expected[name]} == pytest.approx(expected[name])
        low, high = (measured[tower.identity][f"R@5_{end}"] for end in ("low", "high"))
        assert low <= measured["chance"]["R@5"] <= high, "random weights guess"
        assert sum(left_out.values()) == (task == "youcook2"), "the video that is gone is counted"


def test_steps_are_found_as_by_a_plain_script(
    root: Path, tower: OpenClipTextVideo, script: PlainScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = CrossTask(root / "crosstask").videos()
    monkeypatch.setattr(one_model, "published_splits", lambda data: [Split([], tested)])
    steps, hits = script.texts(list(STEPS)), []
    for video in tested:
        path = root / "videos" / f"{video.video_id}.mp4"
        costs = -script.clip(path, np.arange(SECONDS, dtype=float)) @ steps.T
        first, second = next(iter(align_steps([costs])))
        hits += [0 <= first < 2, 3 <= second < 5]
    found, left_out = evaluate_tower(tower, "crosstask", root, lambda video, reason: None)
    assert not left_out and found["CrossTask"][tower.identity]["recall_pooled"] == pytest.approx(np.mean(hits))


def test_the_command_evaluates_s3d_with_its_published_windows(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3d, "GatedS3D", partial(s3d.GatedS3D, 16))
    small = replace(s3d.S3D.fixed_sampling, short_side=32, centre_crop=32)
    monkeypatch.setattr(s3d.S3D, "fixed_sampling", small)
    monkeypatch.setattr(text_video_s3d, "WINDOWS", 2)
    weights = s3d_folder(tmp_path, 16, True)
    monkeypatch.setenv("HOWTO_WEIGHTS", f"s3d={weights}")
    result = CliRunner().invoke(howto, ["evaluate", "s3d", "--task", "msrvtt", "--data", str(root)])
    assert result.exit_code == 0, result.output
    assert "MSR-VTT 1k-A, text to video: s3d@" in result.output and "chance, 6 queries" in result.output


def test_a_lake_is_searched_aligned_and_evaluated_by_the_configured_model(
    root: Path, tmp_path: Path, tower: OpenClipTextVideo, script: PlainScript
) -> None:
    files, _ = described_videos(root, [f"v{number}" for number in range(VIDEOS)])
    store, pairs = FeatureStore(tmp_path / "arrays"), PairStore(tmp_path / "pairs")
    index = tower_index(tower, files, store, "0")
    own = LakeModel(tower, FeatureReader(index, store, [tower.stream]))
    start, end = np.array([0.0, 3.0]), np.array([1.5, 4.5])
    vectors = np.zeros((2, 3), np.float16)  # of the joint embedding's features, which this model does not read
    spoken = {file.video_id: [f"{file.video_id} one", f"{file.video_id} two"] for file in files}
    places = pairs.write("0", ((v, VideoPairs(start, end, said, vectors, 0, 0)) for v, said in spoken.items()), 3)
    manifest = pl.DataFrame([{"video_id": p.video_id, "shard": "0", "split": "test"} for p in places])
    clips = ClipIndex(tmp_path / "clips.lance")
    write_clip_index(clips, pairs, manifest, own)

    # Rows are the pictures at whole seconds: 0 and 1 for the first clip, 3 and 4 for the second one.
    seconds = [script.clip(root / "videos" / f"{v}.mp4", np.array([0.0, 1.0, 3.0, 4.0])) for v in spoken]
    plain = np.concatenate([[rows[:2].mean(0), rows[2:].mean(0)] for rows in seconds])
    scores = plain @ script.texts(["v3 two"])[0]
    found = ClipSearch(clips, tower).search("v3 two", 3, exact=True)
    best = [(video, second) for video in spoken for second in (0.0, 3.0)][int(scores.argmax())]
    assert (found[0].video_id, found[0].start_s) == best
    assert found[0].score == pytest.approx(scores.max(), abs=2e-3)

    lines = pl.DataFrame({"video_id": "v0", "clip_index": [0, 1], "start_s": start, "end_s": end})
    lines = lines.with_columns(caption=pl.Series(spoken["v0"]))
    aligned, left_out = align_shard(lines, own.rows, tower, "0", radius_s=2)
    assert len(aligned) == 2 and not any(left_out.values())

    data = LakeData(manifest, pl.DataFrame(), pl.DataFrame(), own.rows)
    source = FolderSource(root / "videos", ("Other",))
    options = BenchmarkOptions(root, made=tmp_path / "made")
    rows = text_video_rows(options, source, tower, data, pairs, tmp_path, 7, lambda name, reason: None)
    own_rows = rows.filter(pl.col("method") == tower.identity)
    assert {"held-out clips (folder), text to video", "YouCook2, text to video", "LSMDC, video to text"} <= set(
        own_rows["benchmark"]
    )
    held_out = own_rows.filter(pl.col("benchmark").str.starts_with("held-out") & (pl.col("metric") == "R@1"))
    captions = script.texts([caption for said in spoken.values() for caption in said])
    expected = recalls(captions @ plain.T)["R@1"]
    assert held_out.filter(pl.col("benchmark").str.ends_with("text to video"))["value"].item() == pytest.approx(
        expected
    )

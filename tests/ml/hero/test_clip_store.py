"""HERO's clips are read from disk as they were written, and a training uses them."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.harness import Runtime
from ml.hero.clip_store import Clip, ClipStore, StoredClips
from ml.hero.data.subtitles import Line
from ml.hero.model import Hero
from ml.hero.pretraining.job import Job
from ml.hero.pretraining.train import Settings
from ml.hero.tokenizer import load_tokenizer, trained
from ml.training import read_model_folder
from tests.hero_videos import TINY


def clips(count: int = 6, dim: int = 12) -> list[Clip]:
    rng = np.random.default_rng(0)
    return [
        Clip(
            f"video.{number}",
            rng.normal(size=(5 + number, dim)).astype(np.float16),
            2.0,
            [Line(2.0 * line, 2.0 * line + 1.5, f"fold the paper {line} times") for line in range(number)],
        )
        for number in range(count)
    ]


def encode(text: str) -> list[int]:
    return [4 + len(word) for word in text.split()]


def test_clips_are_read_as_written(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "clips")
    places = store.write("shard-0000", clips(3)) + store.write("shard-0001", clips(6)[3:])
    stored = StoredClips(store, places, encode)
    assert len(stored) == 6 and stored.dim == 12
    for clip, video in zip(clips(), (stored[number] for number in range(6)), strict=True):
        assert (video.video_id, video.interval_s) == (clip.clip_id, 2.0)
        np.testing.assert_array_equal(video.features, clip.features)
        assert [tuple(line) for line in video.subtitles] == [
            (line.start_s, line.end_s, tuple(encode(line.text))) for line in clip.lines
        ]


def test_stored_tokens_are_those_of_the_texts_and_follow_the_array(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "clips")
    for lines in ([Line(0, 1, "cut the lime"), Line(1, 2, ""), Line(2, 3, "pour")], [Line(0, 1, "stir well")]):
        places = store.write("shard-0000", [*clips(3), clips()[0]._replace(clip_id="other", lines=lines)])
        texts: list[str] = []

        def counted(text: str) -> list[int]:
            texts.append(text)  # noqa: B023
            return encode(text)

        for _ in range(2):
            stored = pickle.loads(pickle.dumps(StoredClips(store, places, encode, "words")))
            again = StoredClips(store, places, counted, "words")
            for number, expected in enumerate(StoredClips(store, places, encode)):
                for video in (stored[number], again[number]):
                    assert (video.video_id, video.subtitles) == (expected.video_id, expected.subtitles)
                    np.testing.assert_array_equal(video.features, expected.features)
        assert texts == []
        assert len(list((tmp_path / "clips" / ".tokens" / "shard-0000").iterdir())) == 1


def test_the_version_of_an_array_depends_on_its_content(tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    assert store.version_of("shard-0000") is None
    store.write("shard-0000", clips())
    version = store.version_of("shard-0000")
    store.write("shard-0000", clips())
    assert store.version_of("shard-0000") == version
    store.write("shard-0000", [clips()[0]._replace(lines=[Line(0, 1, "cut")]), *clips()[1:]])
    assert store.version_of("shard-0000") != version
    store.write("shard-0000", [])
    assert len(StoredClips(store, [], encode)) == 0
    with pytest.raises(FileNotFoundError, match=r"shard-0009.*materialize hero_frames, partition shard-0009"):
        store.open("shard-0009")


def test_a_written_job_pre_trains_from_stored_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ClipStore(tmp_path / "clips")
    places = store.write("shard-0000", clips())
    trained(["fold the paper 3 times"] * 5, 300).write(tmp_path / "tokenizer", {})
    job = Job(
        output=tmp_path / "hero",
        tokenizer=tmp_path / "tokenizer",
        clips=str(store.root),
        training=places[:4],
        validation=places[4:],
        config=replace(TINY, vocabulary=1, frame_dim=1),
        settings=Settings(steps=6, warm_up=1, batch=3, validate_every=3),
        runtime=Runtime(device="cpu", checkpoints=tmp_path / "checkpoints"),
        provenance={"lake_snapshot": 7},
    )
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job
    Job.main(["--job", str(tmp_path / "job.json")])
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["epoch"] for entry in printed] == [1, 2]

    tokenizer, model = load_tokenizer(tmp_path / "tokenizer"), Hero.from_pretrained(tmp_path / "hero")
    assert model.config.frame_dim == 12 and model.config.vocabulary % 8 == 0
    assert len(tokenizer) <= model.config.vocabulary < len(tokenizer) + 8
    folder = read_model_folder(tmp_path / "hero")
    assert folder.inputs["lake_snapshot"] == 7 and folder.inputs["clips"] == {"train": 4, "validation": 2}
    assert [{**entry, "of": 2} for entry in folder.history] == printed

    again = replace(job, output=tmp_path / "again", initial=tmp_path / "hero", settings=replace(job.settings, steps=2))
    again.run()
    assert Hero.from_pretrained(tmp_path / "again").config == model.config

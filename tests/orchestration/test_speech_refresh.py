"""A folder of videos without captions through a refresh up to clips: what is said becomes captions and clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.lake import Lake
from ml.metrics.word_errors import word_errors
from ml.text.tokens import tokenize
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from tests.speech import SENTENCES, needs_speech, spoken, video_of
from tests.world import instance_in, small_settings

SAID = {
    "rice": SENTENCES,
    "kite": ("Inflate the kite with a pump until it is firm.", "Then attach the lines to the bar and check the wind."),
}


@pytest.mark.campaign
@needs_speech
def test_what_is_said_becomes_captions_and_clips(tmp_path: Path) -> None:
    folder, sounds = tmp_path / "videos", tmp_path / "sounds"
    folder.mkdir(), sounds.mkdir()
    starts = {}
    for name, sentences in SAID.items():
        starts[name] = spoken(sounds, sentences, name)
        video_of(sounds / f"{name}.wav", folder / f"{name}.mp4")
        (folder / f"{name}.info.json").write_text(json.dumps({"id": name, "title": f"How to make {name}"}))
    settings = small_settings(
        tmp_path / "world", source="folder", folder=folder, speech_model="packaged", min_words=5, shards=1
    )
    (tmp_path / "dagster").mkdir()
    with instance_in(tmp_path / "dagster") as instance:
        refresh = Refresh(build_defs(settings), instance)
        # Two clips are too few to train on.
        assert refresh.run('+key:"clips"'), refresh.failed
    lake = Lake(settings.lake)
    for name, sentences in SAID.items():
        rows = "SELECT caption, word_starts_s, caption_source FROM clips WHERE video_id = $name ORDER BY clip_index"
        clips = lake.sql(rows, name=name).fetchall()
        said, heard = (tokenize(" ".join(each).lower()) for each in (sentences, [caption for caption, _, _ in clips]))
        assert word_errors(said, heard).rate < 0.2 and {source for _, _, source in clips} == {"whisper"}
        times = {
            word.lower().strip(".,"): at for text, each, _ in clips for word, at in zip(text.split(), each, strict=True)
        }
        first = [sentence.split()[0].lower() for sentence in sentences]
        assert [times[word] for word in first] == pytest.approx(starts[name], abs=0.5)

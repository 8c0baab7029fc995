"""Which of a recogniser's segments are speech, what the packaged recogniser hears, and the study of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from assets.captions.fetch import fetch_captions, recogniser
from assets.captions.sentences import MissingExtraError
from assets.captions.speech_recognition import Recognition, recognise, speech_segments
from assets.captions.studies.recognition import recognition_study, studied_videos
from assets.captions.tracks import CaptionLine
from assets.sources.folder import FolderSource
from ml.metrics.word_errors import word_errors
from ml.text.tokens import tokenize
from tests.speech import SENTENCES, needs_speech, spoken, video_of


@dataclass
class Word:
    start: float
    word: str


@dataclass
class Segment:
    """The fields of a segment of faster-whisper that count here."""

    start: float
    end: float
    text: str
    no_speech_prob: float = 0.01
    avg_logprob: float = -0.2
    words: list[Word] = field(default_factory=list)


def test_junk_on_silence_is_dropped_and_counted() -> None:
    sure = Segment(0.0, 2.0, " Stir it.", words=[Word(0.1, " Stir"), Word(0.6, " it.")])
    quiet_but_sure = Segment(2.0, 3.0, " Slowly.", no_speech_prob=0.9)
    junk = Segment(3.0, 30.0, " Thanks for watching!", no_speech_prob=0.9, avg_logprob=-1.4)
    empty = Segment(30.0, 31.0, " ")
    lines, silent = speech_segments([sure, quiet_but_sure, junk, empty], Recognition())
    assert lines == (
        CaptionLine(0.0, 2.0, "Stir it.", ((0.1, "Stir"), (0.6, "it."))),
        CaptionLine(2.0, 3.0, "Slowly."),
    )
    assert silent == 2


def test_words_that_are_not_the_text_give_no_times() -> None:
    split = Segment(0.0, 1.0, " don't", words=[Word(0.0, " don"), Word(0.2, "'t")])
    assert speech_segments([split], Recognition())[0] == (CaptionLine(0.0, 1.0, "don't"),)


@pytest.mark.skipif(find_spec("faster_whisper") is not None, reason="the extra is installed")
def test_it_asks_for_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"howto-lake\[asr\]"):
        recognise(Path("video.mp4"), Recognition())


@needs_speech
def test_a_folder_without_captions_gets_those_of_what_is_said(tmp_path: Path) -> None:
    folder, sounds = tmp_path / "videos", tmp_path / "sounds"
    folder.mkdir(), sounds.mkdir()
    starts = spoken(sounds)
    for name in ("spoken", "silent"):
        video_of(sounds / f"{name}.wav", folder / f"{name}.mp4")
        (folder / f"{name}.info.json").write_text(json.dumps({"id": name, "title": "How to cook rice"}))
    source, recognition = FolderSource(folder, ()), Recognition(model="packaged")
    recognise_track = recogniser(source, tmp_path / "media", recognition)
    lines, fetches = fetch_captions(source, ["spoken", "silent"], "shard-0000", recognise_track)

    outcome = {row["video_id"]: row for row in fetches.to_dicts()}
    assert [outcome["spoken"][name] for name in ("status", "source", "language")] == ["ok", "whisper", "en"]
    assert outcome["spoken"]["language_probability"] is None, "the model knows one language"
    assert outcome["silent"]["status"] == "no_captions" and set(lines["video_id"]) == {"spoken"}
    said, heard = (tokenize(" ".join(each).lower()) for each in (SENTENCES, lines["text"]))
    assert word_errors(said, heard).rate < 0.2
    timed = [pair for row in lines.to_dicts() for pair in zip(row["text"].split(), row["word_starts_s"], strict=True)]
    found = [start for word, start in timed if word in ("First", "Bring", "bring")]
    assert found == pytest.approx(starts, abs=0.5)

    # The study, as if the source had the recognised lines a second late and with another word.
    late = lines.with_columns(
        pl.col("start_s", "end_s") + 1,
        text=pl.col("text").str.replace("rice", "oats"),
        word_starts_s=pl.col("word_starts_s").list.eval(pl.element() + 1),
    )
    path = folder / "spoken.mp4"
    (row,) = recognition_study([("spoken", "manual", path)], late, lambda each: recognise(each, recognition)).to_dicts()
    assert (row["substitutions"], row["deletions"], row["insertions"], row["timed"]) == (1, 0, 0, True)
    assert row["word_error_rate"] == pytest.approx(1 / row["words"])
    assert (row["shift_s"], row["shift_90_s"]) == (pytest.approx(-1), pytest.approx(1))


def test_the_study_compares_videos_with_captions_and_a_file() -> None:
    fetches = pl.DataFrame({"video_id": [*"abcd"], "source": ["manual", "whisper", "asr", "asr"]})
    files = pl.DataFrame({"video_id": [*"abcd"], "status": ["ok", "ok", "ok", "failed"], "uri": [*"ABCD"]})
    assert studied_videos(fetches, files) == [("a", "manual", "A"), ("c", "asr", "C")]

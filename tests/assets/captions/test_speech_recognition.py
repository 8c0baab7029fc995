"""Which of a recogniser's segments are speech."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from assets.captions.sentences import MissingExtraError
from assets.captions.speech_recognition import Recognition, recognise, speech_segments
from assets.captions.tracks import CaptionLine


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

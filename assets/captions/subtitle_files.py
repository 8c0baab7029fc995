"""Subtitle formats of players and editors, read by pysubs2: SubStation (ass, ssa) and MicroDVD (sub)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

from pysubs2 import SSAFile
from pysubs2.exceptions import Pysubs2Error

from assets.captions.cues import CaptionError, Captions, Cue, captions, plain
from assets.captions.webvtt import decoded_text, read_srt
from assets.outcomes import Problem

LONGEST_LINE = 1_000
"""Characters of a line of MicroDVD; pysubs2 takes quadratic time in the tags of a line."""

# pysubs2's own ways to the text of an event take quadratic time in its tags.
_OVERRIDES = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")
_BREAK = re.compile(r"\\[Nnh]")
_MICRODVD = re.compile(r"\s*\{\s*\d+\s*\}\s*\{\s*\d*\s*\}")
_RATE = re.compile(r"\s*\{1\}\{1\}\s*(\d{1,3}(?:[.,]\d{1,6})?)\s*")


def read_substation(data: bytes, name: str) -> Captions:
    """The dialogue of a SubStation file, without drawings and comments.

    Raises:
        CaptionError: in no Unicode encoding, or without a line of dialogue.
    """
    text = decoded_text(data, name)
    form = "ass" if re.search(r"V4\+ Styles|v4\.00\+", text, re.IGNORECASE) else "ssa"
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.split("\n"), start=1)
        if line.lstrip().startswith("Dialogue:")
    ]
    if not lines:
        raise CaptionError(f"{name}: no line of dialogue (Dialogue: ...)" if text.strip() else f"{name}: empty file")
    return _read(name, lines, lambda line: SSAFile.from_string(f"[Events]\n{line}\n", format_=form))


def read_sub(data: bytes, name: str) -> Captions:
    """A file ``.sub``: MicroDVD's frame numbers if its first line gives the frame rate, else SubViewer's clock times.

    Raises:
        CaptionError: in no Unicode encoding, pictures instead of text, or without a frame rate.
    """
    if data.startswith(b"\0\0\x01\xba"):
        raise CaptionError(f"{name}: VobSub, pictures of text; convert it to SubRip by OCR, e.g. in Subtitle Edit")
    text = decoded_text(data, name)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if _MICRODVD.match(line)]
    if not lines:
        return read_srt(data, name)
    rate = _RATE.fullmatch(lines[0][1])
    if rate is None or float(rate[1].replace(",", ".")) <= 0:
        raise CaptionError(f"{name}: its times are frames of an unknown rate; write it above them, as {{1}}{{1}}25")
    fps = float(rate[1].replace(",", "."))

    def parse(line: str) -> SSAFile:
        if len(line) > LONGEST_LINE:
            raise ValueError(f"longer than {LONGEST_LINE:,} characters")
        return SSAFile.from_string(line, format_="microdvd", fps=fps)

    return _read(name, lines[1:], parse)


def _read(name: str, lines: list[tuple[int, str]], parse: Callable[[str], SSAFile]) -> Captions:
    """The cues of the lines, each parsed by itself, so that a broken one is a problem with its number."""
    cues, problems = [], []
    for number, line in lines:
        where = f"line {number}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # about margins and layers, which are not used
                (event,) = parse(line).events
        except (ValueError, ArithmeticError, Pysubs2Error) as error:
            problems.append(Problem(f"{name}: {where}", f"{error}: {line[:80]}"))
            continue
        if not _DRAWING.search(event.text):
            cues.append(Cue(where, event.start / 1000, event.end / 1000, without_overrides(event.text)))
    return captions(name, cues, problems)


def without_overrides(text: str) -> str:
    """The plain text of a SubStation event: without its tags, breaks made blanks."""
    return plain(_BREAK.sub(" ", _OVERRIDES.sub("", text)))

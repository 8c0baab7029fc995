"""Blocks of narration for a language model, and the captions in its answer.

The recipe is that of HowToCaption (ninatu/howtocaption, llm_prompting and align_and_filter.py), with three differences:
each line of a block has its time, also the first one; an answer is cut at times and line ends, not at every full stop,
so that decimals stay whole; and what cannot be used of an answer is returned with its reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assets.values import LONGEST_TEXT, storable

INSTRUCTION = (
    "You get the narration of a part of a how-to video. Each line begins with the second at which it is spoken."
    " Describe what the video is likely to show, as captions of single actions.\n"
    "Rules:\n"
    "- Write one caption per line, in the form: 12s: pour the milk into the bowl\n"
    "- The number is the second at which you expect the action to be visible, within the times of the narration.\n"
    "- Each caption is one short sentence in the present tense about one action that can be seen.\n"
    "- Leave out greetings, opinions, advertising, and what is only announced or remembered.\n"
    "- Write nothing else. If nothing can be seen, write: none"
)
"""What the model is requested to do. A change of it makes every block be sent again."""

_TIME = re.compile(r"(?<![\w.,])[\[(]?(\d{1,6})(?:\.\d+)?\s?s(?:ec(?:onds?)?)?[\])]?\s*(?::|-|–)\s*", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•]+|\d{1,3}[.)](?=\s))?\s*")


@dataclass(frozen=True)
class Line:
    """A line of narration; ``index`` is its number in the video. Seconds."""

    index: int
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a video."""

    lines: tuple[Line, ...]

    @property
    def start_s(self) -> float:
        """Start of the first line."""
        return self.lines[0].start_s

    @property
    def end_s(self) -> float:
        """End of the last line to end."""
        return max(line.end_s for line in self.lines)

    @property
    def words(self) -> int:
        """Words of all lines, split at blanks."""
        return sum(len(line.text.split()) for line in self.lines)

    @property
    def prompt(self) -> str:
        """The lines as the model reads them."""
        return "\n".join(f"{int(line.start_s)}s: {line.text}" for line in self.lines)


@dataclass(frozen=True)
class Stated:
    """A caption of the model's, and the second at which it expects it."""

    second: int
    text: str


@dataclass(frozen=True)
class Answer:
    """The captions of an answer, and the parts of it that are none, with reasons."""

    captions: tuple[Stated, ...]
    problems: tuple[str, ...]


def blocks(lines: Sequence[Line], most_words: int) -> Iterator[Block]:
    """Lines in blocks of at most ``most_words`` words; a longer line is a block by itself.

    Args:
        lines: of one video, by start.
    """
    held: list[Line] = []
    words = 0
    for line in lines:
        count = len(line.text.split())
        if held and words + count > most_words:
            yield Block(tuple(held))
            held, words = [], 0
        held.append(line)
        words += count
    if held:
        yield Block(tuple(held))


def read_answer(text: str, block: Block, complete: bool) -> Answer:
    """The captions in an answer.

    Args:
        complete: False if the model was cut off; then the last caption may be a part of one, and is left out.
    """
    captions: list[Stated] = []
    problems: list[str] = []
    parts = list(_parts(storable(text)))
    if not complete and parts:
        problems.append(f"cut off: {_short(parts.pop()[1])}")
    for second, caption in parts:
        if second is None:
            if caption.lower().strip(" .") != "none":
                problems.append(f"no time: {_short(caption)}")
        elif not math.floor(block.start_s) <= second <= math.ceil(block.end_s):
            problems.append(f"second {second} is outside of its block: {_short(caption)}")
        elif not any(letter.isalpha() for letter in caption) or len(caption) > LONGEST_TEXT:
            problems.append(f"no words: {_short(caption)}")
        elif Stated(second, caption) not in captions:
            captions.append(Stated(second, caption))
    return Answer(tuple(captions), tuple(problems))


def _parts(text: str) -> Iterator[tuple[int | None, str]]:
    """(second, text) of each caption; without a second where a line has none."""
    for line in text.splitlines():
        plain = _BULLET.sub("", line).strip().strip("`")
        times = list(_TIME.finditer(plain))
        before = plain[: times[0].start()].strip() if times else plain
        if before:
            yield None, before
        ends = [*(time.start() for time in times[1:]), len(plain)]
        for time, end in zip(times, ends, strict=False):  # a line without a time still has an end
            caption = plain[time.end() : end].strip()
            yield int(time[1]), " ".join(caption.split())


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."

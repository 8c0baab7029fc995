"""From captions to words: tokens and stop words (HowTo100M sections 3.2 and 4.1).

The list ``stop_words.txt`` is plain text and editable.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_TOKEN = re.compile(r"[\w']+")


def tokenize(text: str) -> list[str]:
    """The words of a text, ``[\\w']+`` with case kept; a typographic apostrophe is read as a plain one."""
    return _TOKEN.findall(text.replace("’", "'"))


def published_tokens(text: str) -> list[str]:
    """The words of a benchmark's caption as HowTo100M's public code splits it: ``don’t`` is ``don`` and ``t``."""
    return _TOKEN.findall(text)


@cache
def stop_words() -> frozenset[str]:
    """English words that do not name anything visible, in lower case."""
    text = files(__package__).joinpath("stop_words.txt").read_text(encoding="utf-8")
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def clean(text: str) -> str:
    """The text without stop words, its other words joined by blanks; empty if there are none."""
    return " ".join(word for word in tokenize(text) if word.lower() not in stop_words())

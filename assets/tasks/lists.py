"""The two reviewed lists of verbs, ``verbs_keep.txt`` and ``verbs_drop.txt``: plain text that a person may edit.

See ``Entry`` for the form of a line, and ``review`` for a person's decisions on single verbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

Decision = Literal["keep", "drop"]

WORDS_AFTER = 4


class Entry(NamedTuple):
    """A verb in base form, and the words that must follow it in a title.

    "make money" fits "make more money": the words follow in this order within the next ``WORDS_AFTER`` words. A word
    that an underscore joins must follow directly: "prepare_for" does not fit "prepare a boat for fishing".
    """

    verb: str
    words: tuple[str, ...]
    """The words after the verb; one that must follow directly begins with an underscore."""

    @classmethod
    def read(cls, line: str) -> Entry:
        """The entry that a line of a list describes."""
        verb, *words = line.replace("_", " _").split()
        return cls(verb, tuple(words))

    @property
    def text(self) -> str:
        """The entry as tables and the review file show it."""
        return " ".join((self.verb, *(word.removeprefix("_") for word in self.words)))

    def fits(self, after: Sequence[str]) -> bool:
        """Whether the words that follow the verb in a title are those of this entry."""
        rest = list(after[:WORDS_AFTER])
        for word in self.words:
            wanted = word.removeprefix("_")
            if wanted not in (rest[:1] if word.startswith("_") else rest):
                return False
            rest = rest[rest.index(wanted) + 1 :]
        return True


@cache
def listed_entries() -> dict[Entry, Decision]:
    """The entries of both lists with their decisions."""
    decisions: tuple[Decision, ...] = ("drop", "keep")
    return {
        Entry.read(line): decision
        for decision in decisions
        for line in files(__package__).joinpath(f"verbs_{decision}.txt").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }

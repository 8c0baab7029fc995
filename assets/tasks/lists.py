"""The two reviewed lists of verbs, ``verbs_keep.txt`` and ``verbs_drop.txt``: plain text that a person may edit.

An entry is a verb in base form, which words may follow ("make money"); then they must come after the verb in a title in
this order, all within the next ``WORDS_AFTER`` words. Does not belong here: single decisions on undecided verbs
(``review``).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

Decision = Literal["keep", "drop"]

WORDS_AFTER = 4


@cache
def listed_entries() -> dict[str, Decision]:
    """The entries of both lists with their decisions."""
    folder = Path(__file__).parent
    decisions: tuple[Decision, ...] = ("drop", "keep")
    return {
        line.strip(): decision
        for decision in decisions
        for line in (folder / f"verbs_{decision}.txt").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }

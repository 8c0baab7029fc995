"""How two transcripts of the same speech differ: the word error rate, and which words they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WordErrors:
    """The fewest substitutions, deletions and insertions from a reference of ``words`` words to another transcript.

    ``same`` are the positions, in the reference and in the other transcript, of the words that stay.
    """

    words: int
    substitutions: int
    deletions: int
    insertions: int
    same: list[tuple[int, int]]

    @property
    def rate(self) -> float:
        """Word error rate; above 1 if more words were inserted than the reference has."""
        return (self.substitutions + self.deletions + self.insertions) / max(self.words, 1)


def word_errors(reference: Sequence[str], other: Sequence[str]) -> WordErrors:
    """Compare two transcripts, word by word."""
    numbers: dict[str, int] = {}
    one, two = (np.array([numbers.setdefault(word, len(numbers)) for word in words]) for words in (reference, other))
    places = np.arange(len(two) + 1)
    # costs[i, j]: the fewest changes from the first i words to the first j words.
    costs = np.empty((len(one) + 1, len(two) + 1), np.int32)
    costs[0] = places
    for row, word in enumerate(one, 1):
        above = costs[row - 1]
        costs[row, 0] = row
        costs[row, 1:] = np.minimum(above[1:] + 1, above[:-1] + (two != word))
        # An insertion costs 1 more than the place before it.
        costs[row] = np.minimum.accumulate(costs[row] - places) + places
    i, j, same, substitutions = len(one), len(two), list[tuple[int, int]](), 0
    deletions = insertions = 0
    while i or j:
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (one[i - 1] != two[j - 1]):
            i, j = i - 1, j - 1
            if one[i] == two[j]:
                same.append((i, j))
            else:
                substitutions += 1
        elif i and costs[i, j] == costs[i - 1, j] + 1:
            i, deletions = i - 1, deletions + 1
        else:
            j, insertions = j - 1, insertions + 1
    return WordErrors(len(one), substitutions, deletions, insertions, same[::-1])

"""Captions as bags of words, the form in which the sentence encoder reads them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Bags(NamedTuple):
    """Captions of the words ``distinct[d]``, rows of a table of word vectors, 0 for no word.

    Caption i has the words ``distinct[slots[begin[i] : begin[i + 1]]]``; the last caption ends with ``slots``.
    """

    distinct: Tensor
    slots: Tensor
    begin: Tensor


def bags(ids: Tensor) -> Bags:
    """Captions ``ids[captions, words]``, 0 for no word.

    Each caption keeps its words and, if it has any, one slot without a word: a maximum needs no second one.
    """
    kept = (ids > 0) | ((ids == 0).cumsum(1) == 1)
    counts = ids.flatten().bincount()
    place = (counts > 0).cumsum(0) - 1
    ends = kept.sum(1).cumsum(0)
    return Bags(counts.nonzero()[:, 0], place[ids[kept]], ends - kept.sum(1))

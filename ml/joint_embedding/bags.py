"""Captions as bags of words, the form in which the sentence encoder reads them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Bags(NamedTuple):
    """Captions of the words ``distinct[d]``, rows of a table of word vectors, 0 for no word.

    Caption i has the words ``distinct[slots[begin[i] : begin[i + 1]]]``; the last caption ends with ``slots``.
    """

    distinct: Tensor
    slots: Tensor
    begin: Tensor


def bags(ids: NDArray[np.int64]) -> Bags:
    """Captions ``ids[captions, words]``, 0 for no word.

    Each caption keeps its words and, if it has any, one slot without a word: a maximum needs no second one.
    """
    # In NumPy: the threads of torch's operations would take the processors from the training that this runs next to.
    empty = ids == 0
    kept = ~empty
    captions = np.flatnonzero(empty.any(1))
    kept[captions, empty[captions].argmax(1)] = True
    counts = kept.sum(1)
    occurs = np.zeros(ids.max(initial=0) + 1, bool)
    occurs[ids] = True
    slots = (occurs.cumsum() - 1)[ids[kept]]
    return Bags(*map(torch.from_numpy, (np.flatnonzero(occurs), slots, counts.cumsum() - counts)))

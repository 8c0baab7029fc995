"""Parts of a batch: how many examples a process computes at once.

Examples differ in length many times, so that a number of them does not bound the memory of a step. A part has a number
of tokens instead: the elements of the sequences that the network reads, without padding. In HERO these are the frames
and words in its transformers; in the joint embedding they are the words of a pair's captions, equally many in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from ml.loading import Batches

Part = TypeVar("Part")


class Divisible(Protocol[Part]):
    """Batches that can be computed in parts, with the same result."""

    def __call__(self, step: int, process: int, processes: int, /) -> Sequence[Part]: ...

    def in_parts(self, tokens: int, /) -> Batches[Part]:
        """The same batches in parts of at most so many tokens (``runs``)."""
        ...

    def tokens(self, part: Part, /) -> Sequence[int]:
        """Tokens of each example of a part, known on the host."""
        ...


def runs(tokens: Sequence[int], most: int | None) -> list[slice]:
    """Consecutive examples with at most ``most`` tokens; an example that alone has more is a run of its own.

    An example without a token is in no run without others. Without an example, or without a limit, there is one run.

    Args:
        tokens: of each example.
    """
    starts, held = [0], 0
    for number, own in enumerate(tokens):
        if most is not None and held and own and held + own > most:
            starts.append(number)
            held = 0
        held += own
    return [slice(first, stop) for first, stop in pairwise([*starts, len(tokens)])]


def largest_divisible(batches: Divisible[Part] | None, parts: Sequence[Part]) -> int:
    """Tokens of the largest part that could be two; 0 if there is none."""
    if batches is None:
        return 0
    return max((sum(own) for own in map(batches.tokens, parts) if sum(map(bool, own)) > 1), default=0)

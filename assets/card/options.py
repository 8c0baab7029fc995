"""Options of the data set card."""

from __future__ import annotations

from dataclasses import dataclass

CARD = "howto/card"
"""Metadata key of an asset that is a card: the folder it is written to, below the lake's."""


@dataclass(frozen=True)
class CardOptions:
    """``samples`` clips are shown, 0 for a page that may be shared where videos may not; ``seed`` draws them."""

    samples: int = 8
    seed: int = 0

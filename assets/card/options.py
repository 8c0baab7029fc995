"""Options of the data set card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assets.options import Options, Seed


@dataclass(frozen=True)
class CardOptions(Options):
    """What the card shows. ``seed`` draws the samples."""

    group: ClassVar = "Data set card"
    prefix: ClassVar = "card_"

    samples: Annotated[
        int, Field(ge=0, description="clips that the data set card shows; 0 if the videos must not be shared")
    ] = 8
    seed: Seed = 0

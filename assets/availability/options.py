"""Options of surveys of availability."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from assets.options import Options, Seed


@dataclass(frozen=True)
class AvailabilityOptions(Options):
    """How many videos a survey probes, and since when they are known to have existed. ``seed`` draws the sample."""

    group: ClassVar = "Availability"
    prefix: ClassVar = "availability_"

    sample: Annotated[
        int, Field(ge=0, description="videos that a survey of availability probes, drawn at random; 0: all")
    ] = 1000
    since: Annotated[
        date | None,
        Field(
            description="day (YYYY-MM-DD) on which all videos of a published list could be watched; not set: when the"
            " captions of each were fetched"
        ),
    ] = None
    seed: Seed = 0

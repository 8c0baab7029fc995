"""Options that all trainings share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class RuntimeOptions:
    """How models are trained. Of these only the precision may change a result, by rounding.

    ``processes`` 0 trains within the run's own process, more by that many processes of torchrun.
    """

    precision: Literal["no", "bf16", "fp16"]
    device: str = field(repr=False)
    compile: bool = field(repr=False)
    processes: int = field(repr=False)

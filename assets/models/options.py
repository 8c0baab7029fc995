"""Options that all trainings share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from assets.options import Compile, Device, Options, SameResult, Variable


@dataclass(frozen=True)
class RuntimeOptions(Options):
    """How models are trained. Of these, only the precision may change a result, by rounding.

    ``processes`` 0 trains within the run's own process; more starts that many processes with torchrun.
    """

    group: ClassVar = "Networks and training"
    prefix: ClassVar = "training_"

    precision: Annotated[
        Literal["no", "bf16", "fp16"],
        Variable("precision"),
        Field(description="mixed precision of training; no is float32"),
    ] = "no"
    device: Device = "auto"
    compile: Compile = False
    processes: Annotated[
        int,
        SameResult,
        Field(ge=0, description="processes of torchrun per training; 0 trains in the process of the run"),
    ] = 0
    workers: Annotated[
        int,
        Variable("loader_workers"),
        SameResult,
        Field(ge=0, description="processes that read batches, per process of a training; 0 reads in a thread"),
    ] = 0
    part_tokens: Annotated[
        int | None,
        Variable("part_tokens"),
        SameResult,
        Field(ge=1, description="words and frames that a process computes at once; not set: all, or what fits a GPU"),
    ] = None

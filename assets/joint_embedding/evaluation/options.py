"""Options of the benchmarks, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from assets.options import ExistingFile, ExistingFolder, Options, SameResult, Variable

VIDEOS = "videos"
"""Folder of the raw videos, in that of the benchmarks' files."""


@dataclass(frozen=True)
class BenchmarkOptions(Options):
    """Where the benchmarks' files are, and how long a model learns from one (fine-tuning, or from scratch).

    ``root`` None means that there are none; for synthetic videos the files are generated. Where it holds raw videos,
    the files that are measured are made in ``made``.
    """

    group: ClassVar = "Joint embedding"
    prefix: ClassVar = "benchmark_"

    root: Annotated[
        ExistingFolder | None,
        Variable("benchmarks"),
        Field(description="folder of the benchmarks' files; not set: generated ones, if the source is synthetic"),
    ] = None
    epochs: Annotated[
        int, Field(ge=1, description="passes over a benchmark when fine-tuning or training from scratch")
    ] = 10
    made: Annotated[Path, SameResult] = Path("benchmarks")

    @property
    def raw(self) -> bool:
        """Whether features are made from raw videos."""
        return self.root is not None and (self.root / VIDEOS).is_dir()

    @property
    def files(self) -> Path | None:
        """Folder of the files that are measured; None if there are none."""
        return self.made / "files" if self.raw else self.root


@dataclass(frozen=True)
class SurveyOptions(Options):
    """Which videos of the benchmarks can still be watched, next to those of the lake's own surveys."""

    group: ClassVar = "Joint embedding"
    prefix: ClassVar = "benchmark_"
    counts_where_set: ClassVar = True

    availability: Annotated[
        ExistingFile | None,
        Field(description="availability.csv of a survey of the benchmarks' videos, written by howto availability"),
    ] = None

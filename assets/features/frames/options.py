"""Options of what is measured in frames: limits on clips, and when two videos look the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import polars as pl
from pydantic import BeforeValidator, Field

from assets.lake import Lake
from assets.options import Options, Variable, listed

BENCHMARK_LEAKS = "benchmark_leaks"


@dataclass(frozen=True)
class VisualDuplicateOptions(Options):
    """When two videos show the same.

    Args:
        bits: bits of 63 in which the hashes of two pictures may differ.
        cosine: cosine of two vectors, less their mean, from which two seconds show the same.
        pictures: different pictures that must match; a shared title picture makes no duplicate.
    """

    group: ClassVar = "Videos"

    threshold: Annotated[
        float,
        Variable("visual_duplicate_share"),
        Field(
            gt=0,
            le=1,
            description="share of equal seconds, beyond chance, from which a video is a re-upload",
        ),
    ] = 0.5
    bits: int = 13
    cosine: float = 0.9
    pictures: int = 6


@dataclass(frozen=True)
class ClipLimits(Options):
    """Limits on the quality of clips; None sets no limit. What is unknown passes.

    ``benchmarks`` is no setting: it says whether there are raw videos of benchmarks, so that leaks are known.
    """

    group: ClassVar = "Quality of clips"
    prefix: ClassVar = "clip_"
    counts_where_set: ClassVar = True

    max_cuts: Annotated[int | None, Field(ge=0, description="cuts within a clip above which it is dropped")] = None
    min_motion: Annotated[
        float | None,
        Field(ge=0, le=1, description="motion, 0 to 1, below which a clip is dropped as a still picture, e.g. 0.005"),
    ] = None
    min_brightness: Annotated[
        float | None, Field(ge=0, le=1, description="brightness, 0 to 1, below which a clip is dropped, e.g. 0.1")
    ] = None
    max_brightness: Annotated[
        float | None, Field(ge=0, le=1, description="brightness, 0 to 1, above which a clip is dropped, e.g. 0.95")
    ] = None
    min_sharpness: Annotated[
        float | None, Field(ge=0, description="sharpness below which a clip is dropped as blurred, e.g. 20")
    ] = None
    max_words_per_s: Annotated[
        float | None, Field(gt=0, description="words per second above which a clip is dropped, e.g. 6")
    ] = None
    languages: Annotated[
        tuple[str, ...],
        BeforeValidator(listed),
        Field(description="languages that captions may have, as codes with commas, e.g. en; not set: any"),
    ] = ()
    drop_visual_duplicates: Annotated[
        bool,
        Variable("drop_visual_duplicates"),
        Field(description="drop the clips of videos that show what a better-ranked video shows"),
    ] = False
    drop_benchmark_leaks: Annotated[
        bool,
        Variable("drop_benchmark_leaks"),
        Field(description="drop the clips of videos that show what a raw evaluation video of a benchmark shows"),
    ] = True
    benchmarks: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The table of leaks, where there are raw videos of benchmarks."""
        return (BENCHMARK_LEAKS,) if self.benchmarks else ()

    @property
    def leaks(self) -> LeakFilter:
        """For assets that need no other limit."""
        return LeakFilter(self.benchmarks and self.drop_benchmark_leaks)


@dataclass(frozen=True)
class LeakFilter(Options):
    """Whether videos that show an evaluation video of a benchmark are no training data; no setting of its own."""

    counts_where_set: ClassVar = True

    on: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The table of leaks, where it is used."""
        return (BENCHMARK_LEAKS,) if self.on else ()

    def without_leaks(self, videos: pl.DataFrame, lake: Lake) -> pl.DataFrame:
        """The rows with another ``video_id`` than those of the table of leaks."""
        return videos.join(lake.read(BENCHMARK_LEAKS).pl(), on="video_id", how="anti") if self.on else videos

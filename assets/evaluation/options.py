"""Options of the benchmarks, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BenchmarkOptions:
    """Where the benchmarks' files are, and how long a model learns from one (fine-tuning, or from scratch).

    ``root`` None means that there are none; of synthetic videos the files are made.
    """

    root: Path | None
    epochs: int

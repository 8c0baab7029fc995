"""Options of the benchmarks, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ml.files import content_hash

VIDEOS = "videos"
"""Folder of the raw videos below that of the benchmarks' files."""


@dataclass(frozen=True)
class BenchmarkOptions:
    """Where the benchmarks' files are, and how long a model learns from one (fine-tuning, or from scratch).

    ``root`` None means that there are none; of synthetic videos the files are made. Where it holds raw videos, the
    files that are measured are made below ``made``. ``version`` changes with the files at the top of ``root`` and the
    names of the raw videos.
    """

    root: Path | None
    epochs: int
    version: str = ""
    made: Path = field(default=Path("benchmarks"), repr=False)

    @property
    def raw(self) -> bool:
        """Whether features are made from raw videos."""
        return self.root is not None and (self.root / VIDEOS).is_dir()

    @property
    def files(self) -> Path | None:
        """Folder of the files that are measured; None if there are none."""
        return self.made / "files" if self.raw else self.root


def folder_version(root: Path | None) -> str:
    """Hash of what lies at the top of a folder of benchmarks, and of the names of the raw videos; empty for None."""
    if root is None or not root.is_dir():
        return ""
    files = sorted(
        (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in root.iterdir() if path.is_file()
    )
    videos = sorted(str(path.relative_to(root)) for path in (root / VIDEOS).rglob("*"))
    return content_hash((files, videos))

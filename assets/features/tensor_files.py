"""Feature files that torch saved: one tensor per video in ``<id>.pth.tar``, single or in tar archives.

The layout is that of the features of HowTo100M at one row per second (TengdaHan/TemporalAlignNet, htm_zoo): row i is
second i, 768 numbers, float16 or float32. Despite its name, a ``.pth.tar`` file is no tar archive.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from assets.features.layouts import LayoutError, Rows, checked_rows

SUFFIX = ".pth.tar"


@dataclass(frozen=True)
class TensorFile:
    """A tensor file: ``size`` bytes of ``path`` from ``start``, which is 0 where the file is not in an archive."""

    name: str
    path: Path
    start: int
    size: int

    def content(self) -> bytes:
        """Its bytes.

        Raises:
            LayoutError: the archive ends before.
        """
        with self.path.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.size)
        if len(content) < self.size:
            raise LayoutError(f"{self.path}: {self.name} is cut off")
        return content


def find(folder: Path) -> tuple[dict[str, TensorFile], list[str]]:
    """The tensor files below a folder and in the archives below it, by video id; and which archives are damaged.

    Of a damaged archive, the files before the damage count.
    """
    found: dict[str, TensorFile] = {}
    problems: list[str] = []
    for path in sorted(folder.rglob("*.tar")):
        if path.name.startswith("."):
            continue
        state = path.stat()
        if path.name.endswith(SUFFIX):
            members: tuple[TensorFile, ...] = (TensorFile(path.name, path, 0, state.st_size),)
        else:
            members, damage = _in_archive(path, state.st_size, state.st_mtime_ns)
            problems += damage
        found.update((file.name.removesuffix(SUFFIX), file) for file in members)
    return found, problems


@lru_cache(maxsize=1024)
def _in_archive(path: Path, size: int, changed_ns: int) -> tuple[tuple[TensorFile, ...], list[str]]:
    """The tensor files in an archive, for the state of it that size and time of change name. Only headers are read."""
    found: list[TensorFile] = []
    try:
        with tarfile.open(path, "r:") as archive:
            found.extend(
                TensorFile(Path(member.name).name, path, member.offset_data, member.size)
                for member in archive
                if member.isfile() and member.name.endswith(SUFFIX)
            )
    except tarfile.TarError as error:
        return tuple(found), [f"{path.name} is damaged or compressed ({error})"]
    return tuple(found), []


def read_tensor(content: bytes, name: str) -> Rows:
    """Rows of one video, float16 or float32, from the content of a file that torch saved.

    It is read as weights are, so that it cannot run code.

    Raises:
        LayoutError: the file holds anything else; or all rows are equal, as they are where the extraction could not
            decode the video and used grey pictures in its place.
    """
    import torch

    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise LayoutError(f"{name}: not a file of one tensor ({str(error).splitlines()[0][:100]})") from error
    if not isinstance(stored, torch.Tensor):
        raise LayoutError(f"{name}: holds a {type(stored).__name__}, not one tensor")
    if stored.dtype not in (torch.float16, torch.float32):
        raise LayoutError(f"{name}: holds {stored.dtype}, expected float16 or float32")
    rows: Rows = checked_rows(stored.numpy(), name)
    if len(rows) > 1 and bool(np.all(rows == rows[0])):
        raise LayoutError(f"{name}: all {len(rows)} rows are equal: features of a grey picture, not of the video")
    return rows

"""The files of a release, in a folder or in the tar archives that it is published as, read one after the other."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ml.machine import require_sound_machine

LARGEST_FILE_BYTES = 64_000_000
"""Bytes of the file of one video; a day of speech with word times has about a tenth."""
ARCHIVES = (".tar", ".tar.gz", ".tgz")
TENSOR_FILE = ".pth.tar"
"""Ending of a file that torch saved. It is no tar archive, whatever its name says."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a release: its name without folders, and its content or why there is none."""

    name: str
    content: bytes = b""
    problem: str | None = None


def is_archive(path: Path) -> bool:
    """Whether a file is a tar archive by its name."""
    return path.name.endswith(ARCHIVES) and not path.name.endswith(TENSOR_FILE)


def stored_files(path: Path, suffixes: tuple[str, ...]) -> Iterator[StoredFile]:
    """The files with one of the endings: ``path`` itself, or those below it and in the archives below it, by path.

    An archive is read as a stream. One that is damaged gives its readable files and a problem.
    """
    paths = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    for each in paths:
        if each.name.startswith("."):
            continue
        if is_archive(each):
            yield from _in_archive(each, suffixes)
        elif each.name.endswith(suffixes):
            try:
                with each.open("rb") as file:
                    yield _stored(each.name, file)
            except OSError as error:
                require_sound_machine(error)
                yield StoredFile(each.name, problem=f"cannot be read ({error.strerror or error})")


def _in_archive(path: Path, suffixes: tuple[str, ...]) -> Iterator[StoredFile]:
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = Path(member.name).name
                file = archive.extractfile(member) if member.isfile() and name.endswith(suffixes) else None
                if file is not None:
                    yield _stored(name, file)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        require_sound_machine(error)
        yield StoredFile(path.name, problem=f"the archive is damaged ({error}); what follows in it is not read")


def _stored(name: str, file: IO[bytes]) -> StoredFile:
    content = file.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        return StoredFile(name, problem=f"larger than {LARGEST_FILE_BYTES // 1_000_000} MB, so not of one video")
    return StoredFile(name, content)

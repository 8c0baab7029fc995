"""Versions of files and folders by their content, whatever they are called and wherever they are.

Hashes of files are remembered by size and time of change, so that a large file is read once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ml.files import content_hash, file_hash, whole_file

LARGEST_HASHED_FOLDER = 8 << 30
"""Bytes above which a folder counts by the names and sizes of its files, because reading it takes too long."""


class Contents:
    """Versions of the content behind paths.

    Args:
        memory: JSON file that remembers hashes of files between processes, if its folder exists; None remembers none.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._hashes: dict[str, tuple[str, str]] = _read(memory) if memory else {}
        self._read_files = 0

    def version(self, path: Path) -> str | None:
        """Hash of a file, or of the files of a folder with their names in it; None if there is no such path."""
        before = self._read_files
        found = self._of_file(path) if path.is_file() else self._of_folder(path) if path.is_dir() else None
        if self._memory is not None and self._memory.parent.is_dir() and self._read_files > before:
            self._write(self._memory)
        return found

    def _of_folder(self, folder: Path) -> str:
        sizes = {path: path.stat().st_size for path in _files(folder)}
        whole = sum(sizes.values()) <= LARGEST_HASHED_FOLDER
        rows = [
            (path.relative_to(folder).as_posix(), self._of_file(path) if whole else size)
            for path, size in sizes.items()
        ]
        return content_hash(sorted(rows), digits=64)

    def _of_file(self, path: Path) -> str:
        known = self.known(path)
        if known is None:
            known = file_hash(path)
            self._hashes[os.path.realpath(path)] = (_stamp(path), known)
            self._read_files += 1
        return known

    def known(self, path: Path) -> str | None:
        """The hash of a file if it is remembered and the file has not changed since. The file is not read."""
        remembered = self._hashes.get(os.path.realpath(path)) if self._hashes else None
        return remembered[1] if remembered and remembered[0] == _stamp(path) else None

    def _write(self, memory: Path) -> None:
        with whole_file(memory) as new:
            new.write_text(json.dumps(self._hashes), encoding="utf-8")


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder at any depth, without hidden ones, which editors and file managers leave."""
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _read(memory: Path) -> dict[str, tuple[str, str]]:
    """What is remembered; nothing where the file is missing or damaged, because everything can be hashed again."""
    try:
        return TypeAdapter(dict[str, tuple[str, str]]).validate_json(memory.read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}

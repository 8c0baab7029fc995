"""Files and folders that are replaced whole or not at all, and hashes of what they and other values hold."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; when the block ends without an error, that file replaces ``path``.

    Readers of ``path`` see the old file or the new one, even after a crash or a power failure. The unfinished file is
    in the same folder, which is created if it does not exist; its name ends with ``.part`` and differs in each thread.
    An error removes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield new
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends without an error, that folder replaces ``path``.

    A folder cannot be replaced in one step. If a process is killed between the two renames, the old folder is at
    ``.<name>.old`` until ``recover_folder`` or the next ``whole_folder`` restores it. Only one process may write.
    """
    recover_folder(path)
    new, old = path.with_name(f".{path.name}.new"), _old(path)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def recover_folder(path: Path) -> None:
    """Restore the old folder if a process was killed while ``whole_folder`` replaced it; else remove what is left."""
    if path.exists():
        shutil.rmtree(_old(path), ignore_errors=True)
    elif _old(path).exists():
        _old(path).rename(path)


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def content_hash(value: object, digits: int = 16) -> str:
    """The first hexadecimal digits (at most 64) of the SHA-256 of ``repr(value)``.

    Use it for values whose representation depends on nothing but their content, such as tuples of numbers and strings.
    """
    return hashlib.sha256(repr(value).encode()).hexdigest()[:digits]


def file_hash(path: Path, digits: int = 64) -> str:
    """The first hexadecimal digits (at most 64) of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:digits]

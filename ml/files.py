"""Files and folders that are replaced whole or not at all, and hashes of what they and other values hold."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_WRITER = re.compile(r"\.([0-9a-f]{8})-(\d+)-\d+\.(?:part|new)$")
_QUIET_S = 3600
"""Seconds without a change after which nobody writes a file any more, where its process cannot be seen."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; when the block ends without an error, that file replaces ``path``.

    Readers of ``path`` see the old file or the new one, even after a crash or a power failure. The unfinished file is
    in the same folder, which is created if it does not exist; its name ends with ``.part`` and differs in each thread.
    An error removes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = _unfinished(path, "part")
    try:
        yield new
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of a file that people and several processes read, change and write again; wait for another holder.

    The lock is the file ``.<name>.lock`` in the same folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends without an error, that folder replaces ``path``.

    Several processes may write at once: each fills a folder of its own, and the last one to end replaces the others'.
    A folder cannot be replaced in one step. If a process is killed between the two renames, the old folder is at
    ``.<name>.….old`` until ``recover_folder`` or the next ``whole_folder`` restores it.
    """
    recover_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        if writer_ended(left):
            shutil.rmtree(left, ignore_errors=True)
    new = _unfinished(path, "new")
    shutil.rmtree(new, ignore_errors=True)  # of an earlier process that had the same number
    new.mkdir()
    try:
        yield new
        _put_in_place(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _put_in_place(new: Path, path: Path) -> None:
    old = new.with_suffix(".old")
    while new.exists():
        with suppress(FileNotFoundError):  # nothing to replace, or another process is replacing it now
            path.rename(old)
        try:
            new.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(old, ignore_errors=True)  # another process was faster; its folder is replaced next
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(path: Path) -> None:
    """Restore the old folder if a process was killed while ``whole_folder`` replaced it; else remove what is left."""
    olds = sorted(path.parent.glob(f".{glob.escape(path.name)}.*.old"), key=_changed_at)
    while olds and not path.exists():
        with suppress(OSError):  # another process restored or replaced it
            olds.pop().rename(path)
    for left in olds:
        shutil.rmtree(left, ignore_errors=True)


def writer_ended(unfinished: Path) -> bool:
    """Whether nobody writes an unfinished file or folder any more.

    The names that ``whole_file`` and ``whole_folder`` give have the machine and the process. Where the process is on
    another machine, or the name is another, an hour without a change decides.
    """
    writer = _WRITER.search(unfinished.name)
    if writer is None or writer[1] != _this_machine():
        return time.time() - _changed_at(unfinished) > _QUIET_S
    try:
        os.kill(int(writer[2]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it runs as another user
        return False
    return False


def _unfinished(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{_this_machine()}-{os.getpid()}-{threading.get_ident()}.{suffix}")


@cache
def _this_machine() -> str:
    return content_hash(socket.gethostname(), 8)


def _changed_at(path: Path) -> float:
    """When a file, or a folder or anything in it, was changed last; 0 if it is gone."""
    times = [0.0]
    for each in (path, *(Path(folder) / name for folder, _, names in os.walk(path) for name in names)):
        with suppress(FileNotFoundError):
            times.append(each.stat().st_mtime)
    return max(times)


def content_hash(value: object, digits: int = 16) -> str:
    """The first hexadecimal digits (at most 64) of the SHA-256 of ``repr(value)``.

    Use it for values whose representation depends on nothing but their content, such as tuples of numbers and strings.
    """
    return hashlib.sha256(repr(value).encode()).hexdigest()[:digits]


def file_hash(path: Path, digits: int = 64) -> str:
    """The first hexadecimal digits (at most 64) of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:digits]

"""Model folders with copies in object storage, so that every machine has the newest model."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any

from ml.files import content_hash, file_hash, whole_file, whole_folder
from ml.places import Place, reaching

if TYPE_CHECKING:
    from cloudpathlib import S3Path

POINTER = "current.json"
"""Object that names the newest version of a model and the hash of each file. Its one write makes a version current."""


class ModelDamagedError(ValueError):
    """The copy of a model in object storage cannot be used; the message names the object and the remedy."""


class ModelCopies:
    """Copies of model folders in object storage: ``<remote>/<name>/<version>/<file>``.

    A version always has the same files. ``<remote>/<name>/current.json`` names the newest and the hash of each file.

    Args:
        folder: the local folder of the model folders.
    """

    def __init__(self, folder: Path, remote: S3Path) -> None:
        self.folder, self.remote = folder, remote

    def names(self) -> list[str]:
        """Names of the models that have a copy."""
        with reaching():
            return sorted(each.name for each in self.remote.iterdir()) if self.remote.exists() else []

    def fetch(self, name: str) -> None:
        """Replace a model folder by its newest copy, unless it is that."""
        with reaching():
            pointer = self._pointer(name)
            if pointer is None or self._is_current(name, pointer):
                return
            with self._locked(name):
                if not self._is_current(name, pointer):
                    self._download(name, pointer)

    def publish(self, name: str) -> None:
        """Copy a model folder to object storage. An interruption leaves the older copy current."""
        folder = self.folder / name
        files = {file.name: file_hash(file) for file in sorted(folder.iterdir()) if file.is_file()}
        version = content_hash(sorted(files.items()))
        pointer = json.dumps({"version": version, "files": files}, indent=2)
        with reaching(), self._locked(name):
            for file in files:
                (self.remote / name / version / file).upload_from(folder / file, force_overwrite_to_cloud=True)
            (self.remote / name / POINTER).write_text(pointer, encoding="utf-8")
            self._mark(name, pointer)

    def discard_damaged(self, name: str) -> None:
        """Forget a copy if it is damaged."""
        try:
            self.fetch(name)
        except ModelDamagedError:
            with reaching():
                (self.remote / name / POINTER).unlink()

    def remove(self, file: Place) -> None:
        """Remove the version that a file belongs to; if it is the newest, the model has no copy until it is trained."""
        folder = self.remote / file.parts[-3] / file.parts[-2]
        with reaching(), self._locked(folder.parent.name):
            pointer = self._pointer(folder.parent.name)
            if pointer is not None and json.loads(pointer)["version"] == folder.name:
                (folder.parent / POINTER).unlink()
            if folder.exists():
                folder.rmtree()

    def clean_up(self, older_than: timedelta) -> int:
        """Remove copies that were replaced, if they were made longer ago than that; return the bytes removed."""
        removed, before = 0, (datetime.now(UTC) - older_than).timestamp()
        with reaching():
            for name in self.names():
                pointer = self._pointer(name)
                current = json.loads(pointer)["version"] if pointer else None
                for version in (self.remote / name).iterdir():
                    files = [] if version.name in (POINTER, current) else list(version.iterdir())
                    if files and max(file.stat().st_mtime for file in files) < before:
                        removed += sum(file.stat().st_size for file in files)
                        version.rmtree()
        return removed

    def _pointer(self, name: str) -> str | None:
        pointer = self.remote / name / POINTER
        return pointer.read_text(encoding="utf-8") if pointer.exists() else None

    def _download(self, name: str, pointer: str) -> None:
        """Fetch a copy and put it in place of the folder when every file has its hash."""
        try:
            recorded = json.loads(pointer)
            version, files = recorded["version"], recorded["files"]
        except (ValueError, KeyError) as error:
            raise self._damaged(self.remote / name / POINTER, "it is not what was written") from error
        with whole_folder(self.folder / name) as new:
            for file, expected in files.items():
                copy = self.remote / name / version / file
                if not copy.exists():
                    raise self._damaged(copy, "it is missing")
                copy.download_to(new / file)
                if file_hash(new / file) != expected:
                    raise self._damaged(copy, "it has another hash than recorded")
        self._mark(name, pointer)

    def _damaged(self, copy: S3Path, reason: str) -> ModelDamagedError:
        return ModelDamagedError(f"{copy}: {reason}; howto refresh trains the model again")

    def _is_current(self, name: str, pointer: str) -> bool:
        marker = self._sibling(name, "copy")
        return (self.folder / name).is_dir() and marker.exists() and marker.read_text(encoding="utf-8") == pointer

    def _mark(self, name: str, pointer: str) -> None:
        with whole_file(self._sibling(name, "copy")) as new:
            new.write_text(pointer, encoding="utf-8")

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """One process of this machine at a time changes a model folder."""
        lock = self._sibling(name, "lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sibling(self, name: str, suffix: str) -> Path:
        return self.folder / f".{name}.{suffix}"


class ModelRoot(PosixPath):
    """The local folder of the model folders, in which ``root / name`` is the newest model: see ``ModelCopies``."""

    copies: ModelCopies | None = None
    """None for other paths that are derived from this one, such as its parent."""

    @classmethod
    def of(cls, folder: Path, remote: S3Path) -> ModelRoot:
        """The root at ``folder``, with copies below ``remote``."""
        root = cls(folder)
        root.copies = ModelCopies(Path(folder), remote)
        return root

    def __reduce__(self) -> tuple[Any, ...]:
        return (ModelRoot.of, (Path(self), self.copies.remote)) if self.copies else (Path, (Path(self),))

    def __truediv__(self, name: Any) -> Any:
        """The folder of a model, after a newer copy was fetched.

        Raises:
            ModelDamagedError: the copy is damaged.
            StoreUnreachableError: object storage cannot be used.
        """
        if self.copies:
            self.copies.fetch(str(name))
        return Path(self).joinpath(name)


def publish(root: Path, name: str) -> None:
    """Copy a model folder to object storage, if the lake's models have copies there."""
    if isinstance(root, ModelRoot) and root.copies:
        root.copies.publish(name)


def model_folders(root: Path) -> list[Path]:
    """The folders below the folder of the model folders, sorted; each is the newest."""
    fetch_models(root)
    return sorted(Path(root).glob("*"))


def fetch_models(root: Path) -> None:
    """Fetch the newest copy of every model, where models have copies.

    Raises:
        ModelDamagedError: a copy is damaged.
        StoreUnreachableError: object storage cannot be used.
    """
    if isinstance(root, ModelRoot) and root.copies:
        for name in root.copies.names():
            root.copies.fetch(name)


def discard_damaged(root: Path, name: str) -> None:
    """Forget the copy of a model in object storage if it is damaged, so that a training can replace it."""
    if isinstance(root, ModelRoot) and root.copies:
        root.copies.discard_damaged(name)


def copies_of(root: Path) -> list[Place]:
    """The folder in object storage that has the copies of models, if there is one."""
    return [root.copies.remote] if isinstance(root, ModelRoot) and root.copies else []


def remove_copies(root: Path, holding: Callable[[Place], Iterable[Place]]) -> list[Place]:
    """Remove every version of a copy that has one of the files that ``holding`` finds in the folder of the copies.

    Returns:
        Those files.
    """
    if not (isinstance(root, ModelRoot) and root.copies):
        return []
    files = list(holding(root.copies.remote))
    for file in files:
        root.copies.remove(file)
    return files


def clean_up_models(root: Path, older_than: timedelta) -> int:
    """Remove copies of models that were replaced longer ago than that; return the bytes removed."""
    return root.copies.clean_up(older_than) if isinstance(root, ModelRoot) and root.copies else 0

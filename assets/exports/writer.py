"""Writing an export: whole files one after the other, with checksums, resumable, described by a manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ml.files import content_hash, file_hash, whole_file, whole_folder

MANIFEST = "manifest.json"
_JOURNAL = ".export.jsonl"


class ExportError(Exception):
    """The export cannot be written; the message names the folder or file, and the remedy."""


@dataclass(frozen=True)
class PlannedFile:
    """A file of an export by its path below the folder; ``write`` writes it and returns its number of rows.

    If ``is_folder``, it is the folder of an array, which ``write`` fills; it counts as one file.
    """

    path: str
    write: Callable[[Path], int]
    is_folder: bool = False


@dataclass(frozen=True)
class WrittenFile:
    """A file of an export with its checksum."""

    path: str
    sha256: str
    bytes: int
    rows: int
    data_sha256: str | None = None
    """Of the files of rows of an array, whatever their names: the same in all exports with the same header."""

    def entry(self) -> dict[str, object]:
        """What a manifest has of it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def write_files(
    folder: Path, header: Mapping[str, object], planned: Iterable[PlannedFile], progress: Callable[[str], object]
) -> list[WrittenFile]:
    """Write the planned files that the folder does not hold yet.

    Each file is whole or missing. A journal records each one when it is written, so that a second call with the same
    header goes on after the last one.

    Args:
        header: what the export is made from, such as form and snapshot; the same header gives the same bytes.
        progress: receives a line per file.

    Raises:
        ExportError: the folder holds an export with another header.
    """
    done = _resume(folder, header)
    written = []
    for number, each in enumerate(planned, 1):
        file = done.get(each.path)
        if file is None or _size(folder / each.path) != file.bytes:
            file = _write(folder, each)
            with (folder / _JOURNAL).open("a", encoding="utf-8") as journal:
                journal.write(json.dumps(file.entry()) + "\n")
            progress(f"{number}: {file.path}, {file.rows:,} rows, {file.bytes:,} bytes")
        written.append(file)
    return written


def write_manifest(folder: Path, header: Mapping[str, object], files: Iterable[WrittenFile]) -> None:
    """End an export: the manifest lists every file with its checksum, its size and its number of rows."""
    with whole_file(folder / MANIFEST) as new:
        manifest = {**header, "files": [file.entry() for file in files]}
        new.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    (folder / _JOURNAL).unlink(missing_ok=True)


def read_manifest(folder: Path) -> tuple[dict[str, object], list[WrittenFile]]:
    """The header and the files of a whole export.

    Raises:
        ExportError: there is no manifest, it is not readable, or a file is missing or has other bytes.
    """
    try:
        header = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = [WrittenFile(**file) for file in header.pop("files")]
    except FileNotFoundError:
        raise ExportError(f"{folder / MANIFEST}: not found; choose the folder of a finished export") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ExportError(
            f"{folder / MANIFEST}: no manifest of an export ({error}); export the data set again"
        ) from error
    for file in files:
        path = folder / file.path
        if not path.exists() or _hash(path) != file.sha256:
            raise ExportError(f"{path}: missing, or not the bytes that the manifest lists; copy the file again")
    return header, files


def _resume(folder: Path, header: Mapping[str, object]) -> dict[str, WrittenFile]:
    folder.mkdir(parents=True, exist_ok=True)
    wanted = json.loads(json.dumps(header))
    if (folder / MANIFEST).exists():
        existing, files = read_manifest(folder)
    elif (folder / _JOURNAL).exists():
        # A process that was killed may have left half a line; its file is written again.
        lines = (folder / _JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True)
        first, *rest = [line for line in lines if line.endswith("\n")] or ["{}"]
        existing, files = json.loads(first), [WrittenFile(**json.loads(line)) for line in rest]
    else:
        existing, files = wanted, []
        if any(folder.iterdir()):
            raise ExportError(f"{folder}: not empty and no export; choose an empty folder")
    if existing != wanted:
        raise ExportError(f"{folder}: holds an export of other data or options; choose an empty folder")
    if not files:
        with whole_file(folder / _JOURNAL) as new:
            new.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    return {file.path: file for file in files}


def _write(folder: Path, planned: PlannedFile) -> WrittenFile:
    path = folder / planned.path
    with whole_folder(path) if planned.is_folder else whole_file(path) as new:
        rows = planned.write(new)
    data = _data_hash(path) if planned.is_folder else None
    return WrittenFile(planned.path, _hash(path), _size(path), rows, data)


def _hash(path: Path) -> str:
    """The SHA-256 of a file, or of the names and hashes of all files of a folder."""
    if path.is_file():
        return file_hash(path)
    return content_hash([(str(each.relative_to(path)), file_hash(each)) for each in _files(path)], 64)


def _data_hash(array: Path) -> str:
    """The SHA-256 of the hashes of a Lance array's files of rows, without their names.

    Lance draws these names, and the versions and the index of an array hold them, random ids and the time.
    """
    return content_hash(sorted(file_hash(each) for each in array.glob("data/*")), 64)


def _size(path: Path) -> int:
    """Bytes of a file or of all files of a folder; 0 if there is neither."""
    return sum(each.stat().st_size for each in _files(path))


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())

"""Versions of Lance arrays: which are stored, which stay, reading an older one, and damage to the newest.

Lance must not be used across a fork.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ml.lance_arrays import array_versions, open_array, require_reachable, write_array
from ml.places import Place

if TYPE_CHECKING:
    import lance

_TAG = "named-"
"""What the tags of versions that must stay begin with."""


def clean_up(root: Place, older_than: timedelta, named: Mapping[str, Collection[int]] | None = None) -> int:
    """Remove versions older than ``older_than`` from all arrays below a folder; the newest of each always stays.

    Args:
        named: versions that stay too, by the path of the array below ``root`` without its suffix.

    Returns:
        Number of bytes removed.
    """
    removed = 0
    for name, path in arrays_below(root).items():
        array = open_array(path)
        _tag(array, (named or {}).get(name, ()))
        removed += array.cleanup_old_versions(older_than=older_than, error_if_tagged_old_versions=False).bytes_removed
    return removed


def _tag(array: lance.LanceDataset, named: Collection[int]) -> None:
    """Tag exactly the named versions that are stored: Lance keeps what has a tag."""
    stored = {each["version"] for each in array.versions()}
    wanted = {f"{_TAG}{version}": version for version in stored & set(named)}
    known = {name for name in array.tags.list() if name.startswith(_TAG)}
    for name in known - wanted.keys():
        array.tags.delete(name)
    for name in wanted.keys() - known:
        array.tags.create(name, wanted[name])


def arrays_below(root: Place) -> dict[str, Place]:
    """The arrays below a folder, by their paths there without the suffix."""
    if not root.exists():
        return {}
    found = sorted({path.parent for path in root.rglob("*.lance/_versions")}, key=str)
    return {str(path).removeprefix(f"{root}/").removesuffix(".lance"): path for path in found if array_versions(path)}


def newest_versions(root: Place) -> dict[str, int]:
    """The newest version of each array below a folder, by its path there without the suffix."""
    return {name: max(stored_versions(path)) for name, path in arrays_below(root).items()}


def stored_versions(path: Place) -> frozenset[int]:
    """The versions of an array that can still be read; none where there is no array."""
    return frozenset(_manifests(path))


def _manifests(path: Place) -> dict[int, str]:
    """The name of each version's manifest: Lance uses the number, or the number counted down from 2^64 - 1."""
    numbered = ((int(name.removesuffix(".manifest")), name) for name in array_versions(path))
    return {number if number < 1 << 63 else (1 << 64) - 1 - number: name for number, name in numbered}


def at_version(path: Place, version: int, target: Path) -> None:
    """Make an array at ``target`` that is one version of another: linked if that is on disk, else copied."""
    if not isinstance(path, Path):
        old = open_array(path).checkout_version(version)
        write_array(target, old.scanner().to_reader(), "overwrite")
        return
    (target / "_versions").mkdir(parents=True)
    for each in path.iterdir():
        if each.name not in ("_versions", "_refs"):
            (target / each.name).symlink_to(each.absolute())
    manifest = path / "_versions" / _manifests(path)[version]
    (target / "_versions" / manifest.name).symlink_to(manifest.absolute())


def damaged_data(path: Place) -> list[str]:
    """The files of an array's newest version that are missing or have another size than recorded; none is read.

    In object storage files are not cut, so that only an array that cannot be opened counts.

    Raises:
        StoreUnreachableError: object storage cannot be reached.
    """
    if not array_versions(path):
        return []
    try:
        fragments = open_array(path).get_fragments()
    except (OSError, ValueError) as error:
        require_reachable(error)
        return [f"{path} cannot be opened: {str(error).partition(',')[0]}"]
    if not isinstance(path, Path):
        return []
    damaged = []
    for recorded in (each for fragment in fragments for each in fragment.data_files()):
        file = path / "data" / recorded.path
        if not file.exists():
            damaged.append(f"{file} is missing")
        elif recorded.file_size_bytes and file.stat().st_size != recorded.file_size_bytes:
            damaged.append(f"{file} has {file.stat().st_size} of {recorded.file_size_bytes} bytes")
    return damaged

"""Published formats of feature files: HowTo100M's ``.npy``, HERO's ``.npz`` and LMDB."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from assets.media.suffixes import VIDEO_SUFFIXES
from ml.files import whole_file, whole_folder
from ml.machine import require_sound_machine

Rows = NDArray[np.floating]

EITHER = (np.float16, np.float32)
NPZ_KEY = "features"
LMDB_START_BYTES = 1 << 30


class LayoutError(ValueError):
    """Feature rows or a feature file violate the layout; the message names the file and the problem."""


def write_npy(path: Path, rows: NDArray[np.float16]) -> None:
    """Write HowTo100M's file of one video and stream, ``<root of the stream>/<id>.npy``: float16 ``rows[T, dim]``.

    The file is replaced atomically, as by ``write_npz``.

    Raises:
        LayoutError: the rows are not float16, not two-dimensional, or not all finite.
    """
    _write(path, lambda file: np.save(file, _checked(rows, path, (np.float16,)), allow_pickle=False))


def read_npy(path: Path, dim: int | None = None) -> Rows:
    """Rows of one video and stream, float16, or float32 if they were written in full precision.

    Args:
        path: the file.
        dim: required dimension of a row.

    Raises:
        LayoutError: the file is truncated or has other content.
    """
    return _checked(_load(path, _from_npy, path), path, EITHER, dim)


def write_npz(path: Path, rows: NDArray[np.float16]) -> None:
    """Write HERO's file of one video and stream: float16 ``rows[T, dim]`` under the key ``features``.

    Raises:
        LayoutError: as by ``write_npy``.
    """
    _write(path, lambda file: np.savez(file, features=_checked(rows, path, (np.float16,))))


def read_npz(path: Path, dim: int | None = None) -> Rows:
    """Rows of one video and stream, float16 or float32.

    Raises:
        LayoutError: the file is truncated, or has no rows under ``features``.
    """
    return _checked(_load(path, _from_npz, path), path, EITHER, dim)


def feature_files(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Video id and path of each feature file below a folder, by path.

    Args:
        folder: root of a stream; subfolders are searched.
        suffix: ``.npy`` or ``.npz``.
    """
    for path in sorted(folder.rglob(f"*{suffix}")):
        if path.name.startswith("."):
            continue
        name = path.name.removesuffix(suffix)
        # Some published feature files keep the suffix of their video: <id>.mp4.npy.
        video = Path(name)
        yield video.stem if video.suffix in VIDEO_SUFFIXES else name, path


def hero_rows(resnet: Rows, slowfast: Rows) -> Rows:
    """HERO's row ``[ResNet-152 | SlowFast]``, 2,048 + 2,304 numbers; the longer stream is cut to the shorter.

    Raises:
        LayoutError: a stream is not two-dimensional, or has no rows.
    """
    rows = min(len(resnet), len(slowfast))
    if resnet.ndim != 2 or slowfast.ndim != 2 or rows == 0:
        raise LayoutError(f"streams of shape {resnet.shape} and {slowfast.shape} do not make rows")
    return np.concatenate((resnet[:rows], slowfast[:rows]), axis=1)


def hero_clips(video_id: str, rows: Rows, interval_s: Fraction, clip_s: int = 60) -> Iterator[tuple[str, Rows]]:
    """A long video in clips ``<id>.<n>``, as HERO keeps HowTo100M's.

    Args:
        video_id: the video.
        rows: ``[T, dim]`` of the whole video.
        interval_s: seconds of video a row stands for.
        clip_s: seconds of a clip.
    """
    length = int(clip_s / interval_s)
    for clip, first in enumerate(range(0, len(rows), length)):
        yield f"{video_id}.{clip}", rows[first : first + length]


def lmdb_path(folder: Path, interval_s: Fraction) -> Path:
    """HERO's LMDB of 2D and 3D rows below a data set's folder: ``resnet_slowfast_1.5_compressed``, or ``…_2_…``."""
    return folder / f"resnet_slowfast_{float(interval_s):g}_compressed"


def write_lmdb(folder: Path, videos: Iterable[tuple[str, Rows]], interval_s: Fraction) -> dict[str, int]:
    """Write HERO's LMDB and ``id2nframe.json`` into ``folder``; both replace older ones.

    A value is a compressed ``.npz`` with the key ``features``; HERO reads float16 and float32. The LMDB takes its
    name when it is whole.

    Args:
        folder: that of the data set.
        videos: key, and ``rows[T, dim]`` float16 or float32, one after the other.
        interval_s: seconds of video a row stands for.

    Returns:
        The number of rows of each key.

    Raises:
        LayoutError: rows are of another type or shape or not finite, or two videos have one key.
        ImportError: the package ``lmdb`` is not installed.
    """
    lmdb = _package("lmdb")
    path = lmdb_path(folder, interval_s)
    counts: dict[str, int] = {}
    # Nothing need be on disk before the whole is: it has no name until then.
    with (
        whole_folder(path) as new,
        lmdb.open(str(new), map_size=LMDB_START_BYTES, sync=False, metasync=False) as environment,
    ):
        for key, rows in videos:
            if key in counts:
                raise LayoutError(f"{path}: two videos have the key {key!r}")
            value = io.BytesIO()
            np.savez_compressed(value, features=_checked(rows, f"{path}: {key}", EITHER))
            _put(lmdb, environment, key, value.getvalue())
            counts[key] = len(rows)
        environment.sync(True)
    _write(folder / "id2nframe.json", lambda file: file.write(json.dumps(counts).encode()))
    return counts


def read_lmdb(path: Path, dim: int | None = None) -> Iterator[tuple[str, Rows]]:
    """Key and rows of each video of one of HERO's LMDBs, compressed or not, by key.

    Args:
        path: folder of the LMDB itself.
        dim: required dimension of a row.

    Raises:
        LayoutError: there is no LMDB, or a value holds no rows; the message names the key.
        ImportError: the package ``lmdb`` is not installed, or ``msgpack``, which LMDBs that are not compressed need.
    """
    lmdb = _package("lmdb")
    if not (path / "data.mdb").is_file():
        raise LayoutError(f"{path}: no LMDB here (no file data.mdb)")
    with lmdb.open(str(path), readonly=True, lock=False, readahead=False) as environment, environment.begin() as view:
        for key, value in view.cursor():
            if key != b"__keys__":
                name = key.decode()
                where = f"{path}: {name}"
                yield name, _checked(_load(where, _from_value, value), where, EITHER, dim)


def _put(lmdb: Any, environment: Any, key: str, value: bytes) -> None:
    try:
        with environment.begin(write=True) as transaction:
            transaction.put(key.encode(), value)
    except lmdb.MapFullError:
        environment.set_mapsize(environment.info()["map_size"] * 2)
        _put(lmdb, environment, key, value)


def _from_npy(path: Path) -> Any:
    return np.load(path, allow_pickle=False)


def _from_npz(file: Path | IO[bytes]) -> Any:
    with np.load(file, allow_pickle=False) as arrays:
        return arrays[NPZ_KEY]


def _from_value(value: bytes) -> Any:
    """Rows in a value: a ``.npz``, or a msgpack map in which msgpack-numpy keeps type, shape and bytes of an array."""
    if value.startswith(b"PK"):
        return _from_npz(io.BytesIO(value))
    msgpack = _package("msgpack")
    array = msgpack.unpackb(value, raw=False, strict_map_key=False)[NPZ_KEY]
    fields = {key if isinstance(key, str) else key.decode(): field for key, field in array.items()}
    return np.frombuffer(fields["data"], np.dtype(fields["type"])).reshape(fields["shape"])


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed; install the extra: pip install 'howto-lake[hero]'") from error


def _load(where: Path | str, read: Callable[[Any], Any], stored: Path | bytes) -> Any:
    try:
        return read(stored)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise
        require_sound_machine(error)
        raise LayoutError(f"{where}: cannot be read as feature rows: {error}") from error


def _checked(rows: Any, where: Path | str, types: tuple[type[np.floating], ...], dim: int | None = None) -> Rows:
    if not isinstance(rows, np.ndarray) or rows.dtype not in types:
        kind = rows.dtype if isinstance(rows, np.ndarray) else type(rows).__name__
        raise LayoutError(f"{where}: holds {kind}, expected {' or '.join(each.__name__ for each in types)}")
    if rows.ndim != 2 or 0 in rows.shape or (dim is not None and rows.shape[1] != dim):
        raise LayoutError(f"{where}: has shape {rows.shape}, expected (rows, {dim or 'numbers'})")
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(wrong):
        raise LayoutError(f"{where}: row {wrong[0]} of {len(rows)} is not finite")
    return rows


def checked_rows(rows: Any, where: Path | str) -> Rows:
    """``rows[T, dim]``, float16 or float32.

    Raises:
        LayoutError: they are anything else, or not all finite.
    """
    return _checked(rows, where, EITHER)


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    with whole_file(path) as new, new.open("wb") as file:
        write(file)

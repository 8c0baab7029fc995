"""Frame features of videos: one row every 1.5 or 2 s, from npz files or LMDB in the layout of HERO's authors."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from tokenize import TokenError
from types import TracebackType
from typing import Any, Protocol, Self
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from ml.reading import SHAPE_ERRORS

Rows = NDArray[np.floating]

_FEATURES = "features"
_COUNTS = "id2nframe.json"

MOST_BYTES = 1 << 30
"""Of one video's features, unpacked; a small zip may claim to hold any number of bytes."""


class FrameFeatures(Protocol):
    """Where rows come from: published files, or the lake's arrays behind an adapter."""

    @property
    def video_ids(self) -> Sequence[str]: ...

    def rows(self, video_id: str) -> Rows:
        """The rows of a video, ``[frames, dim]``, in order of time."""
        ...


class NpzFolders:
    """``<folder>/<video>.npz`` with the key ``features``; the vectors of several folders are concatenated.

    Their rows are cut to the shortest, as HERO does with ResNet and SlowFast.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = list(folders)
        present = [{path.stem for path in folder.glob("*.npz")} for folder in self.folders]
        self.video_ids = sorted(set.intersection(*present)) if present else []

    def rows(self, video_id: str) -> Rows:
        """The rows of a video.

        Raises:
            KeyError: a folder has no file of this video.
            ValueError: a file has no ``features[frames, dim]``.
        """
        parts = []
        for folder in self.folders:
            path = folder / f"{video_id}.npz"
            if not path.exists():
                raise KeyError(f"{path}: no such file, so video {video_id} has no features")
            parts.append(_from_npz(path.read_bytes(), str(path)))
        shortest = min(map(len, parts))
        return np.concatenate([part[:shortest] for part in parts], axis=1)


class LmdbFeatures:
    """An LMDB folder: video name to a packed dict with ``features[frames, dim]``, by msgpack or as an npz."""

    def __init__(self, folder: Path) -> None:
        import lmdb

        if not (folder / "data.mdb").exists():
            raise FileNotFoundError(f"{folder}: has no data.mdb, so it is no LMDB")
        self.folder = folder
        try:
            self._environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
            self._transaction = self._environment.begin(buffers=True)
            self.video_ids = [bytes(key).decode() for key in self._transaction.cursor().iternext(values=False)]
        except (lmdb.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{folder}: damaged or no LMDB ({error}); fetch it again") from error

    def rows(self, video_id: str) -> Rows:
        """The rows of a video.

        Raises:
            KeyError: the LMDB has no such video.
            ValueError: its value has no ``features[frames, dim]``.
        """
        value = self._transaction.get(video_id.encode())
        if value is None:
            raise KeyError(f"{self.folder}: has no video {video_id}")
        return _unpacked(bytes(value), f"{self.folder}: video {video_id}")

    def close(self) -> None:
        """Close the file."""
        self._transaction.abort()
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_npz(folder: Path, videos: Iterable[tuple[str, Rows]]) -> None:
    """Write one compressed ``<video>.npz`` per video, in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    for video_id, rows in videos:
        np.savez_compressed(folder / f"{video_id}.npz", features=rows.astype(np.float16))


def write_lmdb(folder: Path, videos: Iterable[tuple[str, Rows]], compressed: bool = False) -> None:
    """Write an LMDB in float16, its values npz if ``compressed``, else msgpack, and ``id2nframe.json``."""
    import lmdb

    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with lmdb.open(str(folder), map_size=1 << 24) as environment:
        for video_id, rows in videos:
            counts[video_id] = len(rows)
            _put(environment, video_id, (_as_npz if compressed else _as_msgpack)(rows.astype(np.float16)))
    (folder / _COUNTS).write_text(json.dumps(counts), encoding="utf-8")


def _put(environment: Any, video_id: str, value: bytes) -> None:
    """Store a value; a full LMDB is enlarged, because the number of videos is not known."""
    import lmdb

    while True:
        try:
            with environment.begin(write=True) as transaction:
                transaction.put(video_id.encode(), value)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"] + len(value))


def _as_npz(rows: Rows) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, features=rows)
    return file.getvalue()


def _as_msgpack(rows: Rows) -> bytes:
    """As msgpack-numpy packs an array: type, shape and bytes under keys that are bytes."""
    import msgpack

    array = {b"nd": True, b"type": rows.dtype.str, b"kind": b"", b"shape": rows.shape, b"data": rows.tobytes()}
    return bytes(msgpack.packb({_FEATURES: array}, use_bin_type=True))


def _unpacked(value: bytes, place: str) -> Rows:
    if value[:2] == b"PK":
        return _from_npz(value, place)
    import msgpack

    # Older writers pack text and bytes alike, so nothing is decoded but names.
    try:
        record = {_text(key): part for key, part in msgpack.unpackb(value, raw=True, strict_map_key=False).items()}
        array = record.get(_FEATURES)
        if not isinstance(array, dict):
            raise ValueError(f"has no array 'features', only {sorted(record)}")
        fields = {_text(key): part for key, part in array.items()}
        rows = np.frombuffer(fields["data"], np.dtype(_text(fields["type"]))).reshape(fields["shape"])
    except (*SHAPE_ERRORS, msgpack.UnpackException) as error:
        raise ValueError(f"{place}: {error}") from error
    return _checked(rows, place)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _from_npz(content: bytes, place: str) -> Rows:
    try:
        with ZipFile(io.BytesIO(content)) as file:
            members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
            if _FEATURES not in members:
                raise ValueError(f"{place}: has no array 'features', only {sorted(members)}")
            if members[_FEATURES].file_size > MOST_BYTES:
                raise ValueError(f"{place}: features of {members[_FEATURES].file_size:,} bytes; at most {MOST_BYTES:,}")
            rows = np.lib.format.read_array(io.BytesIO(file.read(members[_FEATURES])), allow_pickle=False)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, SyntaxError, TokenError) as error:
        raise ValueError(f"{place}: is cut off or no npz ({error}); fetch it again") from error
    except SHAPE_ERRORS as error:
        raise ValueError(str(error) if str(error).startswith(place) else f"{place}: {error}") from error
    return _checked(rows, place)


def _checked(rows: NDArray[Any], place: str) -> Rows:
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.floating):
        raise ValueError(f"{place}: features are {rows.dtype}{list(rows.shape)}, not numbers [frames, dim]")
    if not np.isfinite(rows).all():
        raise ValueError(f"{place}: features are not finite numbers")
    return rows

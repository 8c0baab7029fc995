"""Feature vectors of benchmarks' clips in their published files: pickles and ``.pth``, of plain data alone."""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import torch
from numpy.typing import NDArray

from ml.reading import SHAPE_ERRORS

STREAMS = ("2d", "3d")

_DAMAGED = (
    *SHAPE_ERRORS,
    *(pickle.UnpicklingError, EOFError, ImportError, MemoryError, RuntimeError, struct.error, OSError),
    *(BadZipFile, zlib.error, NotImplementedError),
)
"""What reading a damaged pickle raises; its bytes are instructions, so this is nearly anything."""


class _PlainUnpickler(pickle.Unpickler):
    """Reads only plain data and numpy arrays."""

    ALLOWED = frozenset(
        (f"{package}.{module}", name)
        for package in ("numpy.core", "numpy._core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    ) | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it requires {module}.{name}; only arrays and plain data are read")
        return super().find_class(module, name)


def read_pickle(path: Path) -> Any:
    """The content of a pickle of plain data; one that would call anything else is refused.

    Raises:
        ValueError: the file is no such pickle.
    """
    with path.open("rb") as file:
        return load_plain(path, file)


def load_plain(path: Path, file: BinaryIO) -> Any:
    """The pickle of plain data at the current position of a file.

    Raises:
        ValueError: there is no such pickle.
    """
    try:
        return _PlainUnpickler(file, encoding="latin1").load()  # of Python 2, array bytes are text in latin1
    except _DAMAGED as error:
        raise ValueError(f"{path}: not a pickle of plain data: {_shortened(error)}") from error


def read_features(path: Path, ids: Sequence[str]) -> dict[str, NDArray[np.floating]]:
    """Vectors ``[clips, dim]`` by stream, from a ``.pth`` of ``{'2d': {id: tensor}, '3d': {id: tensor}}``.

    Raises:
        ValueError: the file holds something else, or a clip has no vector or one of another length.
    """
    try:
        with ZipFile(path) if is_zipfile(path) else nullcontext() as archive:
            damaged = archive.testzip() if archive else None
        if damaged is not None:
            raise ValueError(f"the checksum of its member {damaged} is wrong")
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        raise ValueError(f"{path}: not a file of tensors alone: {_shortened(error)}") from error
    if not isinstance(stored, dict) or not all(isinstance(stored.get(stream), dict) for stream in STREAMS):
        raise ValueError(f"{path}: need a dict with {' and '.join(STREAMS)}, each of tensors by clip id")
    found = {}
    for stream in STREAMS:
        missing = [each for each in ids if each not in stored[stream]]
        if missing:
            raise ValueError(f"{path}: no {stream} features of {missing[0]} and {len(missing) - 1} more clips")
        found[stream] = stack({each: stored[stream][each] for each in ids}, path, stream)
    return found


def stack(vectors: Mapping[str, Any], path: Path, stream: str) -> NDArray[np.floating]:
    """The vectors of clips by id as one array ``[clips, dim]``.

    Raises:
        ValueError: a vector is not an array of finite numbers, or they differ in length.
    """
    arrays = {}
    for clip, vector in vectors.items():
        array = vector.numpy() if isinstance(vector, torch.Tensor) and not vector.requires_grad else vector
        if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"{path}: the {stream} features of {clip} are no array of numbers")
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: the {stream} features of {clip} are not finite numbers")
        arrays[clip] = array
    shapes = {array.shape: clip for clip, array in arrays.items()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ValueError(
            f"{path}: the {stream} features differ in shape: {', '.join(f'{s} of {i}' for s, i in shapes.items())}"
        )
    return np.stack(list(arrays.values())) if arrays else np.empty((0, 0), np.float32)


def _shortened(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__

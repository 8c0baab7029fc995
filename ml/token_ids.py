"""Texts of arrays as token ids, made once per vocabulary and kept next to the array, so that no batch tokenises again.

The ids of an array are two files below ``<root>/.tokens/<shard>/``, which readers map into memory: processes share
them. Those of an array in object storage are in the user's cache. They belong to one writing of the array, whose data
files are named in the folder's name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.files import content_hash

if TYPE_CHECKING:
    import lance

Encode = Callable[[Sequence[str]], Iterable[Sequence[int]]]
"""From texts to the ids of each."""


@dataclass(frozen=True)
class TokenIds:
    """Text i is ``ids[ends[i] : ends[i + 1]]``."""

    ids: NDArray[np.int32]
    ends: NDArray[np.int64]

    def padded(self, texts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """The ids of some texts as ``[texts, length]``, cut or filled with 0."""
        first = self.ends[texts]
        counts = np.minimum(self.ends[texts + 1] - first, length)
        filled = np.zeros((len(texts), length), np.int64)
        mask = np.arange(length) < counts[:, None]
        starts = np.repeat(first - (counts.cumsum() - counts), counts)
        filled[mask] = self.ids[starts + np.arange(len(starts))]
        return filled


def token_ids(
    array: lance.LanceDataset, texts: Callable[[], Iterable[Sequence[str]]], encode: Encode, vocabulary: str
) -> TokenIds:
    """The ids of an array's texts: those that are stored, or else new ones, which are stored.

    Args:
        texts: reads the array's texts in order, in batches of any size.
        vocabulary: names the ids' meaning: a hash of the vocabulary and of how it is used.
    """
    folder = _folder(array, vocabulary)
    if not folder.is_dir():
        _store(folder, _made(texts(), encode))
    return TokenIds(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "ends")))


def _folder(array: lance.LanceDataset, vocabulary: str) -> Path:
    path = array.uri.removeprefix("file://")
    files = [file.path for fragment in array.get_fragments() for file in fragment.data_files()]
    if "://" in path:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        of_array = caches / "howto-lake" / "tokens" / content_hash(path)
    else:
        of_array = Path(path).parent / ".tokens" / Path(path).stem
    return of_array / f"{content_hash(files)}-{vocabulary[:16]}"


def _made(texts: Iterable[Sequence[str]], encode: Encode) -> TokenIds:
    ids, counts = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for batch in texts:
        encoded = list(encode(batch))
        counts.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        ids.append(np.fromiter((token for text in encoded for token in text), np.int32, int(counts[-1].sum())))
    return TokenIds(np.concatenate(ids), np.concatenate([[0], np.concatenate(counts).cumsum()]))


def _store(folder: Path, made: TokenIds) -> None:
    """Store ids whole or not at all, and remove those of earlier writings of the array.

    Several processes may store the same ids at once; the first one's stay.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = folder.name.partition("-")[0]
    for path in folder.parent.iterdir():
        if not path.name.startswith((own, ".")):
            shutil.rmtree(path, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        np.save(new / "ids.npy", made.ids)
        np.save(new / "ends.npy", made.ends)
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)

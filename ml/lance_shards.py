"""Lance arrays, one per shard: ``<root>/<shard>.lance``, each written whole or not at all.

Subclasses define the columns. Lance must not be used across a fork.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.lance_arrays import array_versions, open_array, write_array
from ml.places import Place, is_remote

if TYPE_CHECKING:
    import lance


class LanceShards:
    """The arrays below ``root``. ``made_by`` names the asset that writes them, for the message if one is missing."""

    made_by: str

    def __init__(self, root: Place) -> None:
        self.root = root

    def open(self, shard: str) -> lance.LanceDataset:
        """The array of a shard.

        Raises:
            FileNotFoundError: it does not exist.
        """
        if not self._exists(shard):
            raise FileNotFoundError(f"{self.path(shard)}: no array here; materialize {self.made_by}, partition {shard}")
        return open_array(self.path(shard))

    def _replace(self, shard: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a shard's array in place of an older one."""
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        write_array(self.path(shard), reader, "overwrite")

    def path(self, shard: str) -> Place:
        """Folder of a shard's array, which need not exist yet."""
        return self.root / f"{shard}.lance"

    def _exists(self, shard: str) -> bool:
        return bool(array_versions(self.path(shard)))


class VectorColumn:
    """A column of float16 vectors of one size, for reading rows in any order.

    Where Lance has stored the vectors on disk, one after another without compression, they are mapped into memory, and
    a batch costs a copy of its rows. Otherwise Lance reads the rows.

    Args:
        array: its column ``name`` has vectors of ``dim`` numbers.
    """

    def __init__(self, array: lance.LanceDataset, name: str, dim: int) -> None:
        self.array, self.name, self.dim = array, name, dim
        self.parts = [part for fragment in array.get_fragments() for part in _mapped(array, fragment, name, dim)]
        self.ends = np.cumsum([0, *map(len, self.parts)])
        self.is_mapped = self.ends[-1] == array.count_rows() and self._is_right()

    def read(self, rows: NDArray[np.int64], into: NDArray[np.float16], at: NDArray[np.int64]) -> None:
        """Copy the vectors of ``rows`` into the rows ``at`` of an array."""
        if not self.is_mapped:
            distinct, places = np.unique(rows, return_inverse=True)
            into[at] = self._from_lance(distinct)[places]
            return
        part = np.searchsorted(self.ends, rows, side="right") - 1
        for number in np.unique(part).tolist():
            mine = part == number
            whole = len(rows) == len(into) and bool(mine.all()) and bool((at == np.arange(len(at))).all())
            if whole:
                np.take(self.parts[number], rows - self.ends[number], axis=0, out=into, mode="clip")
            else:
                # One row at a time: indexing with arrays copies all of them twice.
                stored = (rows[mine] - self.ends[number]).tolist()
                for place, row in zip(at[mine].tolist(), stored, strict=True):
                    into[place] = self.parts[number][row]

    def _from_lance(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        column = self.array.take(rows.tolist(), columns=[self.name])[self.name]
        chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
        return np.concatenate([np.empty(0, np.float16), *chunks]).reshape(-1, self.dim)

    def _is_right(self) -> bool:
        """Whether Lance reads the same at both ends of every part."""
        rows = np.unique([row for first, end in pairwise(self.ends.tolist()) for row in (first, end - 1)])
        if not len(rows):
            return True
        part = np.searchsorted(self.ends, rows, side="right") - 1
        found = np.stack([self.parts[p][row - self.ends[p]] for p, row in zip(part, rows, strict=True)])
        return found.tobytes() == self._from_lance(rows).tobytes()


def _mapped(
    array: lance.LanceDataset, fragment: lance.LanceFragment, name: str, dim: int
) -> Iterator[NDArray[np.float16]]:
    """The pages of a fragment's column as ``[rows, dim]`` in memory that maps the file, if they are plain numbers."""
    from lance.file import LanceFileReader

    if is_remote(array.uri):
        return
    path = Path(array.uri.removeprefix("file://")) / "data"
    for file in fragment.data_files():
        metadata = LanceFileReader(str(path / file.path)).metadata()
        column = metadata.columns[metadata.schema.get_field_index(name)]
        pages = [(page.buffers[0].position, page.buffers[0].size) for page in column.pages]
        for begin, end in _together(page for page in pages if page[1] % (2 * dim) == 0):
            rows = (end - begin) // (2 * dim)
            # As a plain array, since a memmap takes longer for each row.
            yield np.asarray(np.memmap(path / file.path, np.float16, "r", begin, (rows, dim)))


def _together(pages: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Begin and end of the stretches of a file that pages, given by begin and size, fill without a gap."""
    stretches: list[tuple[int, int]] = []
    for begin, size in pages:
        first = stretches.pop()[0] if stretches and stretches[-1][1] == begin else begin
        stretches.append((first, begin + size))
    return stretches

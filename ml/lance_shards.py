"""Lance arrays in shards below one folder: ``<root>/<shard>.lance``, each written whole or not at all.

Belongs here: where the arrays are, how one replaces an older one, and how older ones go. What a row holds is told by
who writes it. Lance must not be used across a fork.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa


class LanceShards:
    """The arrays below ``root``. ``made_by`` is what to do where one is missing, for the message."""

    made_by: str

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, shard: str) -> lance.LanceDataset:
        """The array of a shard.

        Raises:
            FileNotFoundError: it is not there.
        """
        if not self._exists(shard):
            raise FileNotFoundError(f"{self._path(shard)}: nothing is there; materialise {self.made_by} of {shard}")
        return lance.dataset(str(self._path(shard)))

    def _replace(self, shard: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a shard's array in place of an older one."""
        self.root.mkdir(parents=True, exist_ok=True)
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        # A first write that was killed leaves a folder without a version in it.
        mode = "overwrite" if self._exists(shard) else "create"
        lance.write_dataset(reader, str(self._path(shard)), mode=mode)

    def _path(self, shard: str) -> Path:
        return self.root / f"{shard}.lance"

    def _exists(self, shard: str) -> bool:
        return any(self._path(shard).glob("_versions/*.manifest"))


def clean_up(root: Path, older_than: timedelta) -> int:
    """Remove what was replaced longer ago from all arrays below a folder; the newest version of each always stays.

    Returns:
        Bytes that are free now.
    """
    arrays = (path.parent for path in sorted(root.rglob("*.lance/_versions")) if any(path.glob("*.manifest")))
    return sum(lance.dataset(str(each)).cleanup_old_versions(older_than=older_than).bytes_removed for each in arrays)

"""Lance arrays, one per shard: ``<root>/<shard>.lance``, each written whole or not at all.

Subclasses define the columns. Lance must not be used across a fork.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa


class LanceShards:
    """The arrays below ``root``. ``made_by`` names the asset that writes them, for the message if one is missing."""

    made_by: str

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, shard: str) -> lance.LanceDataset:
        """The array of a shard.

        Raises:
            FileNotFoundError: it does not exist.
        """
        if not self._exists(shard):
            raise FileNotFoundError(f"{self.path(shard)}: no array here; materialize {self.made_by}, partition {shard}")
        return lance.dataset(str(self.path(shard)))

    def _replace(self, shard: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a shard's array in place of an older one."""
        self.root.mkdir(parents=True, exist_ok=True)
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        # A first write that was killed leaves a folder without a version in it.
        mode = "overwrite" if self._exists(shard) else "create"
        lance.write_dataset(reader, str(self.path(shard)), mode=mode)

    def path(self, shard: str) -> Path:
        """Folder of a shard's array, which need not exist yet."""
        return self.root / f"{shard}.lance"

    def _exists(self, shard: str) -> bool:
        return any(self.path(shard).glob("_versions/*.manifest"))


def clean_up(root: Path, older_than: timedelta) -> int:
    """Remove versions older than ``older_than`` from all arrays below a folder; the newest of each always stays.

    Returns:
        Number of bytes removed.
    """
    arrays = (path.parent for path in sorted(root.rglob("*.lance/_versions")) if any(path.glob("*.manifest")))
    return sum(lance.dataset(str(each)).cleanup_old_versions(older_than=older_than).bytes_removed for each in arrays)

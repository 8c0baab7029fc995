"""What all forms of an export share: the snapshot, the splits of its videos, and the header of the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from assets.exports.description import Description, Publication, describe
from assets.exports.records import RECORD_SETS, RecordSet, write_video_splits
from assets.exports.writer import ExportError, PlannedFile
from assets.lake import Lake
from assets.lake.memory import with_memory
from assets.lake.removals import read_removals
from assets.lake.snapshot import Snapshot
from assets.sharding import Sharding
from assets.splits import SplitOptions

MEMORY, THREADS = "250MB", 2
"""What DuckDB may use in an export. More threads need more memory."""


@dataclass(frozen=True)
class Division:
    """How videos are divided: the rule of the splits, and the shards of the lake."""

    splits: SplitOptions
    sharding: Sharding


@dataclass(frozen=True)
class Session:
    """One export of one snapshot. The same header gives the same bytes."""

    snapshot: Snapshot
    publication: Publication
    header: dict[str, object]
    removed_ids: tuple[str, ...]
    """Removed videos that the snapshot has and the export leaves out."""

    def describe(self, rows: Mapping[RecordSet, Mapping[str, int]]) -> Description:
        """What the export says about itself; ``rows`` are those of each record set by split."""
        return describe(self.snapshot, self.publication, version("howto-lake"), rows, self.removed_ids)


@contextmanager
def exporting(
    lake: Lake, form: str, division: Division, snapshot: int | None, publication: Publication, **options: object
) -> Iterator[Session]:
    """A session whose snapshot has the table ``video_splits`` next to its own tables.

    Args:
        snapshot: the lake's snapshot; None for the newest.
        options: what else decides the bytes of the export.

    Raises:
        ExportError: the snapshot has no data set.
        LakeError: there is no such snapshot.
    """
    with with_memory(lake, MEMORY, THREADS) as own:
        yield _session(Snapshot(own, snapshot), form, division, publication, options)


def _session(
    at: Snapshot, form: str, division: Division, publication: Publication, options: Mapping[str, object]
) -> Session:
    missing = [each.name for each in RECORD_SETS if not at.has(each.name)]
    if missing:
        raise ExportError(f"snapshot {at.number}: has no table {', '.join(missing)}; materialize the asset clips first")
    header = {
        "form": form,
        "snapshot": at.number,
        "snapshot_time": at.made_at.isoformat(),
        "code_version": version("howto-lake"),
        "seed": division.splits.seed,
        "held_out_share": division.splits.held_out_share,
        **options,
        **asdict(publication),
        "removed_ids": _to_delete(at),
    }
    write_video_splits(at, division.splits, division.sharding)
    return Session(at, publication, header, tuple(at.removed_of("videos")))


def _to_delete(snapshot: Snapshot) -> list[str]:
    """The ids that whoever has an earlier export must delete.

    They are the removed videos of the snapshot, and those that the removal list names as videos. Of other ids it is not
    known that they are videos: they may be households.
    """
    listed = {each.id for each in read_removals(snapshot.lake.removals) if each.is_video}
    return sorted(listed.union(snapshot.removed_of("videos")))


def text_file(name: str, text: str) -> PlannedFile:
    """A planned file of text."""

    def write(path: Path) -> int:
        path.write_text(text, encoding="utf-8")
        return 0

    return PlannedFile(name, write)

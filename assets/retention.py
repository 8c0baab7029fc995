"""Which snapshots and array versions stay: those that something still names, and those that are young enough.

Models, evaluations, the card and exports name snapshots. When what names one is gone, maintenance lets it expire.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assets.lake import Lake, LakeError
from assets.lake.expiry import expire
from assets.models.provenance import readable_provenances
from ml.array_history import clean_up
from ml.files import whole_file
from ml.places import Place

EXPORTS = "exports.json"
"""File in the lake that lists the manifests of exports."""

_CLOCK_TOLERANCE = timedelta(minutes=5)
_CARD = Path("card") / "card.json"


def remember_export(root: Path, manifest: Path) -> None:
    """Keep the snapshot that an export names as long as its manifest exists."""
    known = {*_exports(root), str(manifest.absolute())}
    with whole_file(root / EXPORTS) as new:
        new.write_text(json.dumps(sorted(known), indent=1) + "\n", encoding="utf-8")


def named_snapshots(lake: Lake) -> dict[int, list[str]]:
    """The snapshots that something names, with what names each."""
    found = defaultdict(list)
    for snapshot, name in _names(lake):
        found[snapshot].append(name)
    return dict(found)


def _names(lake: Lake) -> Iterator[tuple[int, str]]:
    for model, provenance in readable_provenances(lake.root / "models").items():
        for each in provenance.chain():
            yield each.snapshot, f"model {model}"
    if lake.has("evaluations"):
        rows = lake.sql("SELECT DISTINCT snapshot, model FROM evaluations ORDER BY ALL").fetchall()
        yield from ((int(snapshot), f"evaluation of {model}") for snapshot, model in rows)
    for path, name in [(lake.root / _CARD, "card"), *((Path(p), p) for p in _exports(lake.root))]:
        snapshot = _snapshot_in(path)
        if snapshot is not None:
            yield snapshot, name


def _exports(root: Path) -> list[str]:
    try:
        return [str(each) for each in json.loads((root / EXPORTS).read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError):
        return []


def exports(root: Path) -> list[Path]:
    """The manifests of the exports of a lake that still exist."""
    return [path for path in map(Path, _exports(root)) if path.exists()]


def _snapshot_in(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["snapshot"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def maintain(lake: Lake, keep_since: datetime) -> dict[str, int]:
    """Expire snapshots from before ``keep_since`` that nothing names; delete files that no snapshot needs.

    Returns:
        Number of expired and of kept snapshots, and of deleted files by kind.

    Raises:
        LakeError: the clock was set back.
    """
    if ahead := newest_snapshot_ahead(lake):
        raise LakeError(ahead)
    named = named_snapshots(lake)
    done = expire(lake, keep_since, named)
    old = lake.sql("SELECT snapshot_id FROM lake.snapshots() WHERE snapshot_time < $since", since=keep_since).fetchall()
    return {**done, "older_snapshots_kept": sum(number in named for (number,) in old)}


def newest_snapshot_ahead(lake: Lake) -> str | None:
    """What is wrong if the clock is behind the lake; None if it is not. Ages of snapshots are unknown then."""
    ((newest,),) = lake.sql("SELECT max(snapshot_time) FROM lake.snapshots()").fetchall()
    now = datetime.now(UTC)
    if newest is None or newest <= now + _CLOCK_TOLERANCE:
        return None
    return (
        f"{lake.root}: the newest snapshot is of {newest:%Y-%m-%d %H:%M} UTC, but the clock shows {now:%Y-%m-%d %H:%M}"
        " UTC, so it was set back; correct the clock. Nothing is deleted until then"
    )


def clean_up_arrays(root: Path, arrays: Place, older_than: timedelta) -> int:
    """Delete versions of the arrays of a lake that are older than ``older_than`` and that no model names.

    Args:
        root: folder of the lake.
        arrays: folder of its arrays.

    Returns:
        Number of bytes removed.
    """
    named = defaultdict(set)
    for provenance in readable_provenances(root / "models").values():
        for each in provenance.chain():
            for array, version in each.arrays.items():
                named[array].add(version)
    return clean_up(arrays, older_than, named)

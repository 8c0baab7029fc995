"""Letting old snapshots of a lake expire. See `assets.retention` for which of them stay."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from assets.lake.store import Lake
from sql import literal


def expire(lake: Lake, keep_since: datetime, named: Collection[int] = ()) -> dict[str, int]:
    """Expire snapshots from before ``keep_since``; delete files that no snapshot needs and those of killed writers.

    The newest snapshot and the ``named`` ones always stay.
    A write that began before ``keep_since`` and still runs would lose files.

    Returns:
        Number of expired snapshots, and of deleted files by kind.
    """
    since = literal(keep_since.isoformat())
    expired = lake.connection.execute(
        f"SELECT snapshot_id FROM lake.snapshots() WHERE snapshot_time < TIMESTAMPTZ {since}"
        " AND snapshot_id < (FROM ducklake_current_snapshot('lake')) AND NOT list_contains(?, snapshot_id)",
        [sorted(named)],
    ).fetchall()
    if expired:
        numbers = [number for (number,) in expired]
        lake.connection.execute(f"CALL ducklake_expire_snapshots('lake', versions => {numbers})")
    older = f"older_than => TIMESTAMPTZ {since}"
    calls = {
        "old_files_deleted": f"CALL ducklake_cleanup_old_files('lake', {older})",
        "orphaned_files_deleted": f"CALL ducklake_delete_orphaned_files('lake', {older})",
    }
    deleted = {name: len(lake.connection.execute(call).fetchall()) for name, call in calls.items()}
    return {"snapshots_expired": len(expired), **deleted}

"""The section of a card that compares a snapshot with that of the previous card."""

from __future__ import annotations

import duckdb

from assets.card.blocks import Block, Section, Table, Text, number
from assets.lake import load_tables
from assets.lake.snapshot import Snapshot
from sql import columns

COMPARED_ROWS = 5_000_000
"""Largest table that is compared row by row; of larger tables, only the numbers of rows are compared."""

Counts = tuple[int, int, int]
"""Numbers of rows added, removed and changed."""


def changes_since(now: Snapshot, then: Snapshot | None) -> Section:
    """Tables and results that differ from those of an earlier snapshot.

    Args:
        then: the snapshot of the previous card; None if there was none.
    """
    title = "Changes"
    if then is None:
        return Section("changes", title, [Text("This is the first card of this lake.")])
    written = _written_between(then, now)
    rows = (_row(table, now, then) for table in load_tables() if table in written)
    changed = [row for row in rows if row is not None]
    since = f"since snapshot {then.number} of {then.made_at:%Y-%m-%d %H:%M} UTC"
    if not changed:
        return Section("changes", title, [Text(f"No changes {since}.")])
    unchanged = len(now.tables) - sum(row[0] in now.tables for row in changed)
    note = f"{unchanged} tables are unchanged. Columns of creation times and snapshots are not compared."
    header = ("table", "rows before", "rows now", "added", "removed", "changed")
    blocks: list[Block] = [Text(f"Changes {since}:"), Table("Tables", header, changed, note)]
    if results := _results(now, then):
        blocks.append(Table("Results", ("result", "before", "now"), results))
    return Section("changes", title, blocks)


def _written_between(then: Snapshot, now: Snapshot) -> set[str]:
    """Tables that a commit after ``then`` and up to ``now`` created or wrote."""
    touched = now.lake.sql(
        "SELECT DISTINCT unnest(flatten(map_values(changes))) FROM lake.snapshots()"
        " WHERE snapshot_id > $first AND snapshot_id <= $last",
        first=min(then.number, now.number),
        last=max(then.number, now.number),
    ).fetchall()
    names = dict(now.lake.sql("SELECT table_id::VARCHAR, table_name FROM ducklake_table_info('lake')").fetchall())
    # A commit refers to a table that it creates by name, and to one that it writes by number.
    return {names.get(each, each.split(".")[-1]) for (each,) in touched}


def _row(table: str, now: Snapshot, then: Snapshot) -> list[str] | None:
    """The row of a table, or None if it is unchanged."""
    rows_then = then.rows(table) if then.has(table) else None
    rows_now = now.rows(table) if now.has(table) else None
    counts = [number(rows_then), number(rows_now)]
    if rows_then is None or rows_now is None:
        return [table, *counts, "new table" if rows_then is None else "removed table", "–", "–"]
    if max(rows_then, rows_now) > COMPARED_ROWS:
        return None if rows_then == rows_now else [table, *counts, "–", "–", "–"]
    try:
        compared = _compare(table, now, then)
    except duckdb.BinderException:
        return [table, *counts, "new columns", "–", "–"]
    return [table, *counts, *map(number, compared)] if any(compared) else None


def _compare(table: str, now: Snapshot, then: Snapshot) -> Counts:
    contract = load_tables()[table]
    key = ", ".join(contract.primary_key)
    content = columns(contract.content_columns)
    here, there = now.at(table), then.at(table)

    def without(compared: str, some: str, others: str) -> int:
        query = f"SELECT count(*) FROM (SELECT {compared} FROM {some} EXCEPT SELECT {compared} FROM {others})"
        return int(now.lake.sql(query).fetchall()[0][0])

    added, removed = without(key, here, there), without(key, there, here)
    return added, removed, without(content, here, there) - added


def _results(now: Snapshot, then: Snapshot) -> list[list[str]]:
    """Results that changed, with both values."""
    if not (now.has("evaluations") and then.has("evaluations")):
        return []
    key = "model, benchmark, split, method, metric"
    differing = now.lake.sql(
        f"SELECT concat_ws(' · ', {key}), earlier.value, later.value FROM {then.at('evaluations')} AS earlier"
        f" JOIN {now.at('evaluations')} AS later USING ({key}) WHERE earlier.value <> later.value ORDER BY ALL"
    ).fetchall()
    return [[name, f"{before:.3f}", f"{after:.3f}"] for name, before, after in differing]

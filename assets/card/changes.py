"""The section of a card that compares a snapshot with that of the previous card."""

from __future__ import annotations

import duckdb
import polars as pl

from assets.card.blocks import Block, Section, Table, Text, number
from assets.lake import load_tables
from assets.lake.difference import table_differences, written
from assets.lake.snapshot import Snapshot

COMPARED_ROWS = 5_000_000
"""Largest table that is compared row by row; of larger tables, only the numbers of rows are compared."""

EXPLAINED = ("tasks", "candidate_videos", "videos", "clips")
"""Tables of whose differences the reasons are listed."""

MOST_REASONS = 30


def changes_since(now: Snapshot, then: Snapshot | None) -> Section:
    """Tables and results that differ from those of an earlier snapshot.

    Args:
        then: the snapshot of the previous card; None if there was none.
    """
    title = "Changes"
    if then is None:
        return Section("changes", title, [Text("This is the first card of this lake.")])
    touched = written(then, now)
    rows = [row for table in load_tables() if table in touched and (row := _row(table, now, then))]
    changed = [row for row, _ in rows]
    since = f"since snapshot {then.number} of {then.made_at:%Y-%m-%d %H:%M} UTC"
    if not changed:
        return Section("changes", title, [Text(f"No changes {since}.")])
    unchanged = len(now.tables) - sum(row[0] in now.tables for row in changed)
    note = f"{unchanged} tables are unchanged. Columns of creation times and snapshots are not compared."
    header = ("table", "rows before", "rows now", "added", "removed", "changed")
    blocks: list[Block] = [Text(f"Changes {since}:"), Table("Tables", header, changed, note)]
    reasons = [each for _, differences in rows if differences is not None for each in differences.iter_rows()]
    if explained := [each for each in reasons if each[0] in EXPLAINED]:
        listed = sorted(explained, key=lambda each: -each[3])[:MOST_REASONS]
        cells = [[f"{table}: {reason}", change, number(count)] for table, change, reason, count in listed]
        blocks.append(Table("Reasons", ("reason", "change", "rows"), cells))
    if results := _results(now, then):
        blocks.append(Table("Results", ("result", "before", "now"), results))
    return Section("changes", title, blocks)


def _row(table: str, now: Snapshot, then: Snapshot) -> tuple[list[str], pl.DataFrame | None] | None:
    """The row of a table and its differences by reason where they are known, or None if it is unchanged."""
    rows_then = then.rows(table) if then.has(table) else None
    rows_now = now.rows(table) if now.has(table) else None
    counts = [number(rows_then), number(rows_now)]
    if rows_then is None or rows_now is None:
        return [table, *counts, "new table" if rows_then is None else "removed table", "–", "–"], None
    if max(rows_then, rows_now) > COMPARED_ROWS:
        return None if rows_then == rows_now else ([table, *counts, "–", "–", "–"], None)
    try:
        differences = table_differences(then, now, table)
    except duckdb.BinderException:
        return [table, *counts, "new columns", "–", "–"], None
    if differences.is_empty():
        return None
    of_kind = dict(differences.group_by("change").agg(pl.col("rows").sum()).iter_rows())
    return [table, *counts, *(number(of_kind.get(kind, 0)) for kind in ("added", "removed", "changed"))], differences


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

"""Rows in which two states of a table differ: added, removed and changed, each with its reason.

Two snapshots are compared by the change feed of the DuckLake, so that only what was written in between is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from assets.lake.snapshot import Snapshot
from assets.lake.tables import load_tables
from sql import columns, identifier, literal

SCHEMA = {"table": pl.String, "change": pl.String, "reason": pl.String, "rows": pl.Int64}
REQUESTED = "its removal was requested"


@dataclass(frozen=True)
class Verdicts:
    """Queries for the verdicts on videos in both states, and the ids whose removal was requested.

    Each query has the columns video_id and verdict.
    """

    before: str
    after: str
    removed: Sequence[str] = ()


def compare(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    before: str,
    after: str,
    names: Sequence[str],
    verdicts: Verdicts | None = None,
) -> pl.DataFrame:
    """The differences of two states of a table, as rows of ``SCHEMA``, most frequent reason first.

    Args:
        before, after: queries with the columns ``names`` for the rows that only this state has; both have a row that
            changed.
        verdicts: by which rows about videos are explained.
    """
    key = [identifier(name) for name in load_tables()[table].primary_key if name in names]
    same = " AND ".join(f"b.{name} IS NOT DISTINCT FROM a.{name}" for name in key)
    was, now, joins, reason = _explanation(table, names, verdicts)
    video_id = _VIDEO_ID if "video_id" in names else "NULL"
    found = connection.sql(
        f"SELECT change, {reason} AS reason, count(*) AS n FROM ("
        f"SELECT CASE WHEN b.here IS NULL THEN 'added' WHEN a.here IS NULL THEN 'removed' ELSE 'changed' END AS change,"
        f" {video_id} AS video_id, {was} AS was, {now} AS now"
        f" FROM (SELECT *, true AS here FROM ({before})) AS b"
        f" FULL JOIN (SELECT *, true AS here FROM ({after})) AS a ON {same}{joins}"
        ") GROUP BY ALL ORDER BY change, n DESC, reason"
    ).fetchall()
    return pl.DataFrame([(table, *row) for row in found], SCHEMA, orient="row")


_VIDEO_ID = "coalesce(b.video_id, a.video_id)"


def _explanation(table: str, names: Sequence[str], verdicts: Verdicts | None) -> tuple[str, str, str, str]:
    """SQL of what explains a difference before and after, of the joins that this needs, and of the reason."""
    was, now, joins = "NULL", "NULL", ""
    reason = "CASE change WHEN 'added' THEN 'new' WHEN 'removed' THEN 'no longer there' ELSE 'other values' END"
    if {"kept", "reason"} <= set(names):
        was, now = (f"CASE WHEN {row}.here THEN coalesce({row}.reason, 'kept') END" for row in "ba")
        reason = (
            "CASE change WHEN 'added' THEN now WHEN 'removed' THEN 'was: ' || was"
            " ELSE if(was = now, 'other values', was || ' → ' || now) END"
        )
    elif verdicts is not None and "video_id" in names and table != "videos":
        was, now = (f"coalesce({state}.verdict, 'not found')" for state in ("before", "after"))
        joins = "".join(
            f" LEFT JOIN ({query}) AS {state} ON {state}.video_id = {_VIDEO_ID}"
            for state, query in (("before", verdicts.before), ("after", verdicts.after))
        )
        reason = (
            "CASE WHEN was <> now THEN 'video: ' || was || ' → ' || now"
            " WHEN change = 'changed' THEN 'other values' ELSE 'same video, other rows' END"
        )
    if verdicts is not None and verdicts.removed and "video_id" in names:
        listed = ", ".join(map(literal, verdicts.removed))
        reason = f"CASE WHEN change = 'removed' AND video_id IN ({listed}) THEN {literal(REQUESTED)} ELSE {reason} END"
    return was, now, joins, reason


def snapshot_differences(before: Snapshot, after: Snapshot, tables: Iterable[str] | None = None) -> pl.DataFrame:
    """The differences of two snapshots of one lake, in the order of the tables; columns of provenance do not count.

    Args:
        tables: which tables; None for all.
    """
    wanted = written(before, after).intersection(load_tables() if tables is None else tables)
    found = [table_differences(before, after, name) for name in load_tables() if name in wanted]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *found])


def written(one: Snapshot, other: Snapshot, kinds: str = "%") -> set[str]:
    """Tables that a commit between two snapshots created or wrote.

    Args:
        kinds: pattern of the kinds of changes, e.g. ``tables_created``.
    """
    first, last = sorted((one.number, other.number))
    touched = one.lake.sql(
        "SELECT DISTINCT unnest(flatten(map_values(map_from_entries(list_filter(map_entries(changes),"
        " lambda entry: entry.key::VARCHAR LIKE $kinds)))))"
        " FROM lake.snapshots() WHERE snapshot_id > $first AND snapshot_id <= $last",
        first=first,
        last=last,
        kinds=kinds,
    ).fetchall()
    names = dict(one.lake.sql("SELECT table_id::VARCHAR, table_name FROM ducklake_table_info('lake')").fetchall())
    # A commit refers to a table that it creates by name, and to one that it writes by number.
    return {names.get(each, each.split(".")[-1]) for (each,) in touched}


def table_differences(before: Snapshot, after: Snapshot, table: str) -> pl.DataFrame:
    """As ``snapshot_differences``, of one table.

    Raises:
        BinderException: its columns differ in more than ones that may be NULL.
    """
    lake, content = before.lake, load_tables()[table].content_columns
    verdicts = None
    if before.has("videos") and after.has("videos"):
        query = "SELECT video_id, coalesce(reason, 'kept') AS verdict FROM {videos}"
        verdicts = Verdicts(before.bind(query), after.bind(query), after.removed_ids)
    if not (before.has(table) and after.has(table)) or table in written(before, after, "tables_created"):
        some, others = _whole(before, table), _whole(after, table)
        return compare(lake.connection, table, f"{some} EXCEPT {others}", f"{others} EXCEPT {some}", content, verdicts)
    first, last = sorted((before.number, after.number))
    names = [name for name in content if name in {*before.stored_columns(table), *after.stored_columns(table)}]
    feed = f"ducklake_table_changes('lake', 'main', {literal(table)}, {first + 1}, {last})"
    # What was written again with the same content cancels out.
    lake.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE net_changes AS SELECT {columns(names)},"
        " sum(if(change_type IN ('insert', 'update_postimage'), 1, -1)) AS net"
        f" FROM {feed} GROUP BY ALL HAVING net <> 0"
    )
    sign = 1 if before.number <= after.number else -1
    was, now = (f"SELECT {columns(names)} FROM temp.net_changes WHERE net * {each} > 0" for each in (-sign, sign))
    try:
        return compare(lake.connection, table, was, now, names, verdicts)
    finally:
        lake.connection.execute("DROP TABLE temp.net_changes")


def _whole(snapshot: Snapshot, table: str) -> str:
    content = load_tables()[table].content_columns
    if snapshot.has(table):
        return f"(SELECT {columns(content)} FROM {snapshot.at(table)})"
    types = load_tables()[table].column_types
    return f"(SELECT {', '.join(f'CAST(NULL AS {types[name]}) AS {identifier(name)}' for name in content)} WHERE false)"

"""Merging the small files of a lake, with bounded memory.

Each write replaces whole partitions, which leaves one file per partition. Other programs that append to the tables, or
delete rows of them, leave many small files and lists of deleted rows.
"""

from __future__ import annotations

from collections.abc import Callable

from assets.lake.commits import Commit
from assets.lake.memory import with_memory
from assets.lake.retrying import retrying
from assets.lake.store import Lake
from assets.lake.tables import Table, load_tables
from sql import literal

MEMORY = "1GB"
"""Memory of the merge. What does not fit is in the folder ``spill`` of the lake meanwhile."""

FILES_AT_ONCE = 64
"""Merged files per transaction. An interrupted compaction loses one transaction."""

DELETED_SHARE = 0.25
"""Share of deleted rows from which a file is written again without them."""


def compact(lake: Lake, log: Callable[[str], None] = print) -> dict[str, int]:
    """Merge small files of the same partition, and write files of which much was deleted again, ordered by the key.

    Contents stay as they are, at every snapshot. Readers and writers may go on; a writer that replaces a partition at
    the same time wins, and the merge of that table is repeated.

    Returns:
        Number of files that were replaced and made.
    """
    done = {"files_replaced": 0, "files_made": 0}
    with with_memory(lake, MEMORY, threads=1) as own:
        for table in load_tables().values():
            if own.has(table.name):
                _declare_order(own, table)
                replaced, made = _compact_table(own, table.name)
                done = {"files_replaced": done["files_replaced"] + replaced, "files_made": done["files_made"] + made}
                if replaced:
                    log(f"{table.name}: {replaced} files replaced by {made}")
    return done


def _declare_order(lake: Lake, table: Table) -> None:
    """Declare the order of a table from before it was declared when a table is made."""
    declared = lake.connection.execute(
        "SELECT count(*) FROM __ducklake_metadata_lake.ducklake_sort_info AS sort"
        " JOIN ducklake_table_info('lake') AS info ON info.table_id = sort.table_id"
        " WHERE info.table_name = ? AND sort.end_snapshot IS NULL",
        [table.name],
    ).fetchall()[0][0]
    if not declared:
        lake.connection.execute(table.order_statement)


def _compact_table(lake: Lake, table: str) -> tuple[int, int]:
    name, at_once = literal(table), f"max_compacted_files => {FILES_AT_ONCE}"
    replaced = made = 0
    for call in (
        f"CALL ducklake_rewrite_data_files('lake', {name}, delete_threshold => {DELETED_SHARE})",
        f"CALL ducklake_merge_adjacent_files('lake', {name}, {at_once})",
    ):
        while files := _committed(lake, table, call):
            replaced += sum(old for *_, old, _ in files)
            made += sum(new for *_, new in files)
    return replaced, made


def _committed(lake: Lake, table: str, call: str) -> list[tuple[str, str, int, int]]:
    """Rows of schema, table, replaced and made files of one call; none if there was nothing to do."""
    for attempt in retrying():
        with attempt, lake.transaction(Commit(f"compaction of {table}")):
            return lake.connection.execute(call).fetchall()
    raise AssertionError("retrying either returns or raises")

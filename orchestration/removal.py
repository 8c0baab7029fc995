"""Removal on request: everything about the ids of the removal list leaves the lake, its history and its records.

See `assets.lake.removals` for the list, which every later write honours.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets.features.store import FeatureArray
from assets.lake import Lake, Table, load_tables
from assets.lake.expiry import expire
from assets.lake.removals import ID_COLUMNS, removed_ids
from assets.lake.search_files import Ids, array_holds, holders, remote_holders, text_of
from assets.models.store import copies_of, remove_copies
from assets.retention import exports
from ml.array_history import arrays_below, clean_up
from ml.files import whole_file
from ml.places import Place, StoreUnreachableError, is_remote, kept_versions, place, remove_tree
from orchestration.artifacts import stored_version
from orchestration.artifacts.registry import artifact_of
from orchestration.artifacts.tables import LakeTable
from orchestration.databases import holding_catalog, holding_records, on_server, scrub_records
from orchestration.refresh.plan import Plan
from sql import identifier, literal

REMOVED = "removed"
"""The word in Dagster's records in place of a removed id."""

_DERIVED_ARRAYS = ("pairs", "hero_clips", "clip_embeddings", "narration_words", "narration_meaning")


def remove(defs: dg.Definitions, instance: dg.DagsterInstance, state: Path | None, log: Callable[[str], object]) -> int:
    """Remove everything about the listed ids; what was made from them becomes out of date.

    Args:
        state: folder of Dagster's records, if they are in files.

    Returns:
        Number of files and tables that held one of the ids.

    Raises:
        StoreUnreachableError: object storage cannot be used.
    """
    resources = defs.resources or {}
    lake: Lake = resources["lake"]
    ids = Ids(removed_ids(lake.removals))
    if not ids.all:
        return 0
    tables = [table for table in load_tables().values() if _holds(lake, table, ids)]
    for table in tables:
        lake.remake(table, f"FROM lake.{table.name} WHERE NOT ({_condition(table, ids)})")
        log(f"table {table.name}: rows of {len(ids.all)} ids removed")
    _report_changes(defs, instance, {table.name for table in tables})
    files: list[Place] = [*_media(lake.root / "media", ids), *_arrays(resources["features"].root, ids)]
    _expire_history(lake)
    folders = [lake.root / "collection", lake.root / "review", lake.root / "card", *([state] if state else [])]
    files += [path for folder in folders for path in _scrub_files(folder, ids, skip={lake.removals})]
    files += remove_copies(resources["model_root"], lambda copies: remote_holders(copies, ids))
    for path in files:
        log(f"file {path}")
    records = list(scrub_records(instance, ids, REMOVED)) if ids.words else []
    for name in records:
        log(name)
    return len(tables) + len(files) + len(records)


def remaining(defs: dg.Definitions, instance: dg.DagsterInstance, state: Path | None) -> Iterator[Place | str]:
    """The files and the tables on servers that hold a removed id: of the lake, its records and its exports.

    Raises:
        StoreUnreachableError: object storage cannot be used.
    """
    resources = defs.resources or {}
    lake: Lake = resources["lake"]
    lake.close()
    ids = Ids(removed_ids(lake.removals))
    if not ids.all:
        return
    tables = [] if is_remote(lake.data_path) else [Path(lake.data_path)]
    outside = [each for each in (*tables, *([state] if state else [])) if not each.is_relative_to(lake.root)]
    manifests = exports(lake.root)  # they list the ids that whoever has an earlier export must delete
    folders = [lake.root, *outside, *(path.parent for path in manifests)]
    yield from holders(folders, ids, skip={lake.removals, *manifests})
    arrays = arrays_below(resources["features"].root).values()
    yield from (path for path in arrays if is_remote(path) and array_holds(path, ids))
    remote_tables = [place(lake.data_path)] if is_remote(lake.data_path) else []
    for folder in [*remote_tables, *copies_of(resources["model_root"])]:
        yield from remote_holders(folder, ids)
    if ids.words:
        yield from holding_catalog(lake, ids)
        yield from holding_records(instance, ids)


def not_searched(defs: dg.Definitions, instance: dg.DagsterInstance) -> Iterator[str]:
    """What may hold a removed id and is not searched: it is no part of the lake, or has no interface for that."""
    resources = defs.resources or {}
    lake: Lake = resources["lake"]
    yield "backups and other copies of the lake"
    folders = [resources["features"].root, *([place(lake.data_path)] if is_remote(lake.data_path) else [])]
    for folder in {each.bucket: each for each in folders if is_remote(each)}.values():
        try:
            kept = kept_versions(folder)
        except StoreUnreachableError as error:
            kept = f"whether the bucket {folder.bucket} keeps them is not known: {error}"
        if kept:
            yield f"older versions of objects ({kept})"
    if not lake.catalog.startswith("sqlite:") or on_server(instance):
        yield "log files and backups of PostgreSQL"


def _condition(table: Table, ids: Ids) -> str:
    """SQL that is true for the rows of removed ids, NULL counting as another id."""
    values = ", ".join(map(literal, sorted(ids.all)))
    columns = [column.name for column in table.columns if column.name in ID_COLUMNS]
    return " OR ".join(f"coalesce({identifier(name)} IN ({values}), false)" for name in columns)


def _holds(lake: Lake, table: Table, ids: Ids) -> bool:
    condition = _condition(table, ids)
    if not condition or not lake.has(table.name):
        return False
    return bool(lake.sql(f"SELECT count(*) FROM {table.name} WHERE {condition}").fetchall()[0][0])


def _report_changes(defs: dg.Definitions, instance: dg.DagsterInstance, tables: set[str]) -> None:
    """Record the new content of tables, so that what was made from the old one is out of date at once."""
    plan = Plan(defs, instance)
    for key in plan.graph.get_all_asset_keys():
        artifact = artifact_of(plan.graph.get(key).to_asset_spec())
        if not isinstance(artifact, LakeTable) or artifact.table.name not in tables:
            continue
        for partition, made in plan.staleness.latest(key).items():
            version = stored_version(defs, key, partition)
            if version is not None and version != made.data_version:
                tags = {"dagster/data_version": version}
                if made.code_version is not None:
                    tags["dagster/code_version"] = made.code_version
                metadata = {"removal": "rows of removed ids were deleted"}
                event = dg.AssetMaterialization(key, partition=partition, tags=tags, metadata=metadata)
                instance.report_runless_asset_event(event)


def _media(root: Path, ids: Ids) -> Iterator[Path]:
    """Delete the files that are named by an id."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and ids.text.search(path.name):
            path.unlink()
            yield path


def _arrays(root: Place, ids: Ids) -> Iterator[Place]:
    """Remove rows from the feature arrays; other arrays, which are made from these, are deleted."""
    for name, path in arrays_below(root).items():
        if name.partition("/")[0] in _DERIVED_ARRAYS:
            if array_holds(path, ids):
                remove_tree(path)
                yield path
            continue
        array = FeatureArray(path)
        kept = [source for source in array.finished() if source.video_id not in ids.all]
        if len(kept) < len(array.finished()):
            array.finish(kept)
            yield path
    clean_up(root, timedelta(0))


def _expire_history(lake: Lake) -> None:
    """Let every older snapshot expire, also named ones, and remove what the catalog remembers of deleted files."""
    expire(lake, datetime.now(UTC) + timedelta(seconds=1))
    lake.close()
    if lake.catalog.startswith("sqlite:"):
        with closing(sqlite3.connect(lake.catalog.removeprefix("sqlite:"), isolation_level=None)) as catalog:
            catalog.execute("VACUUM")


def _scrub_files(folder: Path, ids: Ids, skip: set[Path]) -> Iterator[Path]:
    """Remove ids from SQLite files and texts: rows of the collection's answers, words elsewhere."""
    if not ids.words:
        return
    for path in list(holders([folder], ids, skip)) if folder.exists() else []:
        if folder.name == "card":
            path.unlink()
        elif path.suffix in (".db", ".sqlite"):
            _scrub_database(path, ids)
        else:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            with whole_file(path) as new:
                new.write_text(_scrubbed(text, path, ids), encoding="utf-8", errors="surrogateescape")
        yield path


def _scrubbed(text: str, path: Path, ids: Ids) -> str:
    if path.suffix == ".csv":
        return "".join(line for line in text.splitlines(keepends=True) if not ids.text.search(line))
    return ids.text.sub(REMOVED, text)


def _scrub_database(path: Path, ids: Ids) -> None:
    """Delete answers that name an id; in the records of Dagster, replace the id."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as database:
        database.create_function("holds", 1, lambda value: bool(ids.text.search(text_of(value))))
        database.create_function("scrubbed", 1, lambda value: ids.text.sub(REMOVED, value))
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, kind, *_ in database.execute(f"PRAGMA table_info({identifier(table)})").fetchall():
                name = identifier(column)
                if table == "answers":
                    database.execute(f"DELETE FROM answers WHERE holds({name})")
                elif re.search("CHAR|TEXT|CLOB", kind, re.IGNORECASE):
                    database.execute(f"UPDATE {identifier(table)} SET {name} = scrubbed({name}) WHERE holds({name})")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("VACUUM")

"""The lake on a real PostgreSQL and a real S3 server, as on a cluster: two workers, one killed, the same content."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from pydantic import SecretStr

from assets.lake import Lake, LakeError, load_tables
from assets.lake.compaction import compact
from assets.lake.expiry import expire
from assets.metadata import ARRAY, MODEL
from orchestration.artifacts import stored_version
from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.settings import Settings
from orchestration.settings.model import StorageSettings
from tests.services import BUCKET, Services
from tests.world import small_settings

PATH = "+key:clips or +key:graph_clusters"
"""Both paths of the graph, up to where networks begin, whose files are never in the object store."""


def captions(shard: str, rows: int, first_s: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "shard": [shard] * rows,
            "video_id": ["video-0"] * rows,
            "line_index": list(range(rows)),
            "start_s": [first_s + row for row in range(rows)],
            "end_s": [first_s + row + 1.0 for row in range(rows)],
            "text": ["stir the bowl"] * rows,
            "word_starts_s": [None] * rows,
        },
        schema_overrides={"word_starts_s": pl.List(pl.Float64)},
    )


def _work(folder: Path, catalog: str, data_path: str, shard: str, times: int) -> None:
    """A worker in a folder of its own replaces its shard again and again."""
    folder.mkdir()
    os.chdir(folder)
    lake = Lake(Path("lake"), catalog, data_path)
    for attempt in range(1, times + 1):
        lake.write("captions", captions(shard, 100, first_s=1000.0 * attempt), shard)


def _start(folder: Path, lake: Lake, shard: str, times: int) -> BaseProcess:
    arguments = (folder, lake.catalog, lake.data_path, shard, times)
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=arguments)
    worker.start()
    return worker


def test_a_killed_worker_costs_the_other_nothing_and_leaves_no_orphans(services: Services, tmp_path: Path) -> None:
    lake = services.new_lake(tmp_path / "lake", "killed")
    lake.write("captions", captions("shard-0000", 100, first_s=0), "shard-0000")
    lake.write("captions", captions("shard-0001", 100, first_s=0), "shard-0001")
    killed = _start(tmp_path / "a", lake, "shard-0000", times=1000)
    other = _start(tmp_path / "b", lake, "shard-0001", times=8)
    begun = "SELECT count(DISTINCT shard) FROM captions WHERE start_s >= 1000"
    while lake.sql(begun).fetchall() != [(2,)]:
        assert killed.is_alive()
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    other.join()
    assert other.exitcode == 0

    shards = lake.sql(
        "SELECT shard, count(*), max(start_s) - min(start_s), min(start_s) FROM captions GROUP BY shard ORDER BY shard"
    ).fetchall()
    assert [row[:3] for row in shards] == [("shard-0000", 100, 99.0), ("shard-0001", 100, 99.0)]
    assert shards[1][3] == 8000.0
    extra = captions("shard-0000", 5, first_s=1e6).with_columns(line_index=pl.int_range(5) + 200)  # noqa: F841
    lake.connection.execute("INSERT INTO lake.captions BY NAME FROM extra")
    version = lake.version("captions")
    assert compact(lake) == {"files_replaced": 2, "files_made": 1} and lake.version("captions") == version
    expire(lake, datetime.now(UTC) + timedelta(seconds=1))
    assert len(services.files("killed")) == 2
    assert lake.write("captions", captions("shard-0000", 7, first_s=0), "shard-0000").rows == 7


def made(settings: Settings) -> dict[str, str | None]:
    """Content version of every table after a refresh along ``PATH``."""
    defs = build_defs(settings)
    refresh = Refresh(defs, dg.DagsterInstance.ephemeral())
    assert refresh.run(PATH), refresh.failed
    lake: Lake = defs.resources["lake"]
    return {name: lake.version(name) for name in load_tables() if lake.has(name)}


@pytest.mark.campaign
def test_content_is_the_same_as_on_sqlite_and_disk(services: Services, tmp_path: Path) -> None:
    on_disk = small_settings(tmp_path, shards=1, categories=("Home and Garden",))
    lake = services.new_lake(on_disk.lake, "same")
    on_s3 = replace(on_disk, storage=StorageSettings(SecretStr(lake.catalog), lake.data_path))
    expected = made(on_disk)
    files_on_disk = set(on_disk.lake.glob("tables/**/*.parquet"))
    assert made(on_s3) == expected
    assert {"search_results", "captions", "clips", "co_purchases", "graph_clusters"} <= expected.keys()
    assert set(on_disk.lake.glob("tables/**/*.parquet")) == files_on_disk


def versions_of_files(settings: Settings, selection: str) -> dict[str, str | None]:
    """Content version of every model and array after a refresh of the selection."""
    defs = build_defs(settings)
    refresh = Refresh(defs, dg.DagsterInstance.ephemeral())
    assert refresh.run(selection), refresh.failed
    found = {}
    for spec in defs.resolve_all_asset_specs():
        if spec.metadata.keys() & {MODEL, ARRAY}:
            partitions = spec.partitions_def.get_partition_keys() if spec.partitions_def else [None]
            found |= {f"{spec.key} {each}": stored_version(defs, spec.key, each) for each in partitions}
    return found


@pytest.mark.campaign
def test_models_and_arrays_are_the_same_as_on_disk(services: Services, tmp_path: Path) -> None:
    selection = "+key:clip_search_index or +key:hero_pretraining or +key:cluster_gcn or +key:narration*"
    on_disk = small_settings(tmp_path / "disk")
    transactions = {"transactions": on_disk.retail.transactions, "products": on_disk.retail.products}
    on_s3 = small_settings(tmp_path / "s3", arrays=f"s3://{BUCKET}/arrays-and-models", **transactions)
    expected = versions_of_files(on_disk, selection)
    assert len(expected) >= 12 and None not in expected.values()
    assert versions_of_files(on_s3, selection) == expected
    assert not list(on_s3.lake.rglob("*.lance"))

    elsewhere = build_defs(replace(on_s3, lake=tmp_path / "another machine"))
    model = dg.AssetKey("joint_embedding")
    assert stored_version(elsewhere, model, None) == expected[f"{model} None"]


def test_object_storage_without_keys_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(LakeError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        Lake(tmp_path, data_path="s3://bucket/tables/").snapshot()
    with pytest.raises(LakeError, match="begins with mysql; it must begin with sqlite: or postgres:"):
        Lake(tmp_path, catalog="mysql:db=howto").snapshot()

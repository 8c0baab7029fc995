"""Frames in and out of assets through the lake."""

import json
from datetime import UTC, datetime

import dagster as dg
import duckdb
import polars as pl

from assets.lake import Lake, load_tables
from orchestration.io_manager import LakeIOManager

SHARDS = dg.StaticPartitionsDefinition(["shard-0000", "shard-0001"])


def fetches(shard: str, words: int) -> pl.DataFrame:
    fetched_at = datetime(2026, 1, 1, tzinfo=UTC)
    row = (shard, f"v-{shard}", "ok", None, None, None, words, 1, fetched_at, None, None)
    return load_tables()["caption_fetches"].frame([row])


@dg.asset(partitions_def=SHARDS, code_version="7")
def caption_fetches(context: dg.AssetExecutionContext) -> pl.DataFrame:
    return fetches(context.partition_key, words=5)


@dg.asset(partitions_def=SHARDS)
def same_shard(caption_fetches: duckdb.DuckDBPyRelation) -> None:
    assert caption_fetches.aggregate("count(*)").fetchall() == [(1,)]


@dg.asset
def all_shards(caption_fetches: pl.LazyFrame) -> None:
    assert isinstance(caption_fetches, pl.LazyFrame)
    assert caption_fetches.select("shard").collect()["shard"].sort().to_list() == ["shard-0000", "shard-0001"]


@dg.asset
def wrong_annotation(caption_fetches: list) -> None:
    raise AssertionError("never reached")


ASSETS = [caption_fetches, same_shard, all_shards, wrong_annotation]


def materialize(lake: Lake, instance: dg.DagsterInstance, name: str, shard: str | None = None, **options: object):
    resources = {"io_manager": LakeIOManager(lake)}
    return dg.materialize(
        ASSETS, selection=name, partition_key=shard, instance=instance, resources=resources, **options
    )


def test_partitions_go_in_and_out_one_by_one_or_all_as_one_frame(lake: Lake) -> None:
    instance = dg.DagsterInstance.ephemeral()
    for shard in SHARDS.get_partition_keys():
        assert materialize(lake, instance, "caption_fetches", shard).success
    assert materialize(lake, instance, "same_shard", "shard-0001").success
    assert materialize(lake, instance, "all_shards").success


def test_rows_schema_snapshot_and_content_version_are_recorded(lake: Lake) -> None:
    instance = dg.DagsterInstance.ephemeral()
    result = materialize(lake, instance, "caption_fetches", "shard-0000")
    [made] = result.asset_materializations_for_node("caption_fetches")
    assert made.metadata["dagster/partition_row_count"].value == 1
    assert made.metadata["snapshot"].value == lake.snapshot()
    assert made.metadata["table_bytes"].value > 0
    columns = {column.name: column for column in made.metadata["dagster/column_schema"].schema.columns}
    assert columns["word_count"].type == "BIGINT" and "words in the caption track" in columns["word_count"].description
    assert made.tags["dagster/data_version"] == lake.version("caption_fetches", "shard-0000")
    commits = "SELECT author, commit_message, commit_extra_info FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1"
    [(author, message, details)] = lake.sql(commits).fetchall()
    assert (author, message) == (f"run {result.run_id}", "caption_fetches[shard-0000]")
    assert json.loads(details) == {
        "asset": "caption_fetches",
        "partition": "shard-0000",
        "run_id": result.run_id,
        "code_version": "7",
    }


def test_another_annotation_is_refused_with_what_is_allowed(lake: Lake) -> None:
    instance = dg.DagsterInstance.ephemeral()
    for shard in SHARDS.get_partition_keys():
        materialize(lake, instance, "caption_fetches", shard)
    result = materialize(lake, instance, "wrong_annotation", raise_on_error=False)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "annotate it as pl.LazyFrame, pl.DataFrame" in str(failure.step_failure_data.error)

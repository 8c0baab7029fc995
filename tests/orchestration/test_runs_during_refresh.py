"""Runs of the UI while a refresh makes the same partitions: nothing is lost or half written."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from orchestration.artifacts import stored_version
from orchestration.definitions import build_defs
from orchestration.integrity import check_stored
from orchestration.refresh import refresh_lake
from orchestration.resources import lake_of
from orchestration.settings import Settings
from tests.browser import Browser
from tests.orchestration.test_screens import served
from tests.world import instance_in, small_settings

LAUNCH = """mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
INSTANCE = """
telemetry: {enabled: false}
nux: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""
"""Runs are launched at once; the default queues them for a daemon."""
LAUNCHED = [(["video_files"], "shard-0000"), (["clips"], "shard-0001"), (["cluster_gcn"], None)]


def launch(address: str, assets: list[str], partition: str | None) -> str:
    """Launch a run as the button Materialize does; its id."""
    selector = {
        "repositoryLocationName": "howto_lake",
        "repositoryName": "__repository__",
        "pipelineName": "__ASSET_JOB",
        "assetSelection": [{"path": [name]} for name in assets],
    }
    tags = [{"key": "dagster/partition", "value": partition}] if partition else []
    params: dict[str, Any] = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
    answer = httpx.post(f"{address}/graphql", json={"query": LAUNCH, "variables": {"params": params}}, timeout=60)
    found = answer.json()["data"]["launchPipelineExecution"]
    assert found["__typename"] == "LaunchRunSuccess", found
    return str(found["run"]["runId"])


@pytest.mark.campaign
@pytest.mark.parametrize("compute", ["in_process", "multiprocess"])
def test_runs_of_the_ui_during_a_refresh(made_once: Path, tmp_path: Path, compute: str) -> None:
    folder = shutil.copytree(made_once, tmp_path / "made")
    paths = {"transactions": made_once / "transactions.csv", "products": made_once / "products.parquet"}
    settings, state = small_settings(folder, compute=compute, **paths), folder / "dagster"
    definitions = build_defs(settings)
    partitions = [None, "shard-0000", "shard-0001"]
    keys = [dg.AssetKey(name) for name in ("video_files", "clips", "graph_edges", "cluster_gcn", "word_vectors")]
    graph = definitions.resolve_asset_graph()
    partitioned = {key for key in keys if graph.get(key).partitions_def is not None}
    parts = [(key, each) for key in keys for each in partitions if (each is not None) == (key in partitioned)]
    before = {part: stored_version(definitions, *part) for part in parts}
    damage(settings)
    (state / "dagster.yaml").write_text(INSTANCE, encoding="utf-8")
    with served((settings, state), "dagster_webserver") as address, instance_in(state) as instance:
        launched: list[str] = []

        def show(line: str) -> None:
            """Launch a run when the refresh begins to make what it makes."""
            for assets, partition in LAUNCHED if "  making   " in line else ():
                if line.split()[1] == assets[0] and (partition is None or partition in line):
                    launched.append(launch(address, assets, partition))

        refresh = refresh_lake(definitions, instance, log=show)
        assert not refresh.failed, refresh.failed
        assert len(launched) == len(LAUNCHED)
        Browser.until(lambda: all(run(instance, each).is_finished for each in launched), seconds=300)
        assert {run(instance, each).status for each in launched} == {dg.DagsterRunStatus.SUCCESS}
        assert {part: stored_version(definitions, *part) for part in parts} == before
        assert [each for each in check_stored(definitions, instance) if each.problems] == []
        again = refresh_lake(definitions, instance, log=lambda _: None)
        assert {step.name for step in again.ran} <= {"video_source", "retail_source"}
    assert not [path for path in settings.lake.rglob("*") if path.suffix in (".part", ".new", ".old")]


def damage(settings: Settings) -> None:
    """Delete what the runs will make, so that refresh and runs both have something to do."""
    lake = lake_of(settings)
    for table in ("clips", "graph_edges"):
        lake.connection.execute(f"DELETE FROM lake.{table}")
    lake.close()
    for path in settings.lake.glob("media/**/*.mp4"):
        path.unlink()
    shutil.rmtree(settings.lake / "models" / "cluster_gcn")


def run(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    found = instance.get_run_by_id(run_id)
    assert found
    time.sleep(0.2)
    return found

"""Running a plan: the order of steps, worker processes, a killed worker, and how the runs appear in the UI."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import dagster as dg
import pytest

from assets.lake import Lake
from orchestration.definitions import build_defs
from orchestration.origin import LOCATION
from orchestration.refresh import Plan, Step, refresh_lake
from orchestration.refresh.order import Order
from orchestration.refresh.pools import Pools, size_gpu_pool
from orchestration.settings.catalogue import environment
from orchestration.tags import REFRESH
from tests.world import instance_in, small_settings

FEATURES = "key:video_files or key:video_features or key:feature_index or key:clip_pairs or key:pair_index"
SEARCH = "+key:search_results"
"""A few assets, and one partitioned by category."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return Plan(build_defs(small_settings(tmp_path_factory.mktemp("plan"))), dg.DagsterInstance.ephemeral())


def of(plan: Plan, name: str, partition: str | None = None) -> Step:
    return Step(plan.computation(dg.AssetKey(name)), partition)


def drain(order: Order, slow: Step | None = None, bad: Step | None = None) -> list[Step]:
    """Take every step that can run, except that one never ends or fails; all that were taken."""
    taken = []
    while step := order.next():
        if not order.is_held_up(step):
            taken.append(step)
        if step != slow:
            order.done(step, good=step != bad and not order.is_held_up(step))
    return taken


def test_a_slow_partition_holds_up_only_what_is_made_from_it(plan: Plan) -> None:
    slow = of(plan, "video_files", "shard-0001")
    order = Order(plan, plan.computations(f"{FEATURES} or key:training_manifest"))
    taken = drain(order, slow=slow)
    assert of(plan, "clip_pairs", "shard-0000") in taken and of(plan, "clip_pairs", "shard-0001") not in taken
    assert of(plan, "training_manifest") not in taken and not order.is_over
    order.done(slow)
    assert {of(plan, "clip_pairs", "shard-0001"), of(plan, "training_manifest")} <= set(drain(order))
    assert order.is_over


def test_a_failed_partition_holds_up_only_what_is_made_from_it(plan: Plan) -> None:
    order = Order(plan, plan.computations(f"{FEATURES} or key:training_manifest or key:products"))
    taken = drain(order, bad=of(plan, "video_files", "shard-0001"))
    assert order.is_over and of(plan, "products") in taken
    assert of(plan, "clip_pairs", "shard-0000") in taken and of(plan, "clip_pairs", "shard-0001") not in taken
    assert of(plan, "training_manifest") not in taken


def test_every_step_is_taken_once_after_its_inputs(plan: Plan) -> None:
    taken = drain(Order(plan, plan.computations(None)))
    assert len(taken) == len(set(taken))
    place = {step: number for number, step in enumerate(taken)}
    for step in taken:
        for keys in plan.inputs(step.keys):
            partition = step.partition if plan.same_partition(step.keys, keys) else None
            assert place.get(Step(keys, partition), -1) < place[step]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with instance_in(tmp_path / "dagster") as opened:
        yield opened


def test_no_step_is_started_that_would_wait_for_its_pool(plan: Plan, instance: dg.DagsterInstance) -> None:
    size_gpu_pool(instance, "cpu", jobs=2)
    pools = Pools(instance, plan.graph)
    networks = [of(plan, "video_features", f"shard-000{number}") for number in (0, 1)]
    for step in networks:
        assert pools.has_room(step)
        pools.enter(step)
    assert not pools.has_room(of(plan, "joint_embedding")) and pools.has_room(of(plan, "products"))
    pools.leave(networks[0])
    assert pools.has_room(of(plan, "joint_embedding"))


def test_a_killed_worker_loses_one_step_and_the_content_is_that_of_one_process(
    tmp_path: Path, instance: dg.DagsterInstance, made_once: Path
) -> None:
    categories = ("Food and Entertaining", "Hobbies and Crafts", "Home and Garden")
    settings = small_settings(tmp_path, categories=categories)
    definitions = partial(build_defs, settings)

    def kill_one(line: str) -> None:
        if "making   search_results" in line:
            begun.append(line)
            if len(begun) == 2:  # the worker that runs the first of them is the only one yet
                (worker,) = multiprocessing.active_children()
                os.kill(worker.pid or 0, signal.SIGKILL)

    begun: list[str] = []
    first = refresh_lake(definitions(), instance, SEARCH, kill_one, jobs=2, definitions=definitions)
    ((step, reason),) = first.failed.items()
    assert "was killed (SIGKILL)" in reason and step.name.startswith("search_results")
    assert not multiprocessing.active_children()
    (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert run.tags["dagster/partition"] == step.partition and run.tags[REFRESH] == first.id

    lines: list[str] = []
    second = refresh_lake(definitions(), instance, SEARCH, lines.append)
    assert not second.failed and [each for each in second.ran if "source" not in str(each)] == [step]
    one_process, two_processes = Lake(made_once / "lake"), Lake(settings.lake)
    for table, category in product(("search_results", "task_searches"), categories):
        assert one_process.version(table, category) == two_processes.version(table, category)


def test_the_runs_of_a_refresh_can_be_found_and_started_again_in_the_ui(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    refresh = refresh_lake(build_defs(small_settings(tmp_path)), instance, "+key:products", lambda _: None)
    of_ui = {".dagster/repository": f"__repository__@{LOCATION}"}
    runs = instance.get_runs(dg.RunsFilter(tags={REFRESH: refresh.id, **of_ui}))
    assert len(runs) == len(refresh.ran) == 2
    for run in runs:
        origin = run.remote_job_origin
        assert origin and origin.repository_origin.code_location_origin.location_name == LOCATION
        assert run.job_code_origin and run.tags["user"] == "howto refresh"
        assert run.status is dg.DagsterRunStatus.SUCCESS


def test_where_the_instance_has_its_own_launcher_a_refresh_submits_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(tmp_path)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    launcher = {"module": "dagster._core.launcher.sync_in_memory_run_launcher", "class": "SyncInMemoryRunLauncher"}
    coordinator = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
    (tmp_path / "dagster").mkdir()
    overrides = {"run_launcher": launcher, "run_coordinator": coordinator}
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), overrides=overrides) as instance:
        first = refresh_lake(build_defs(settings), instance, "+key:products", lambda _: None)
        assert not first.failed and len(first.ran) == 2
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
        products = tmp_path / "products.parquet"
        products.write_bytes(b"damaged")
        second = refresh_lake(build_defs(settings), instance, "+key:products", lambda _: None)
        ((step, reason),) = second.failed.items()
        assert step.name == "products" and "Parquet" in reason


@pytest.mark.campaign
@pytest.mark.parametrize("jobs", [2, 4])
def test_any_number_of_workers_makes_the_same_content(
    jobs: int, tmp_path: Path, instance: dg.DagsterInstance, made_once: Path
) -> None:
    settings = small_settings(tmp_path)
    definitions = partial(build_defs, settings)
    selection = "+key:training_manifest or +key:hero_manifest or +key:graph_clusters"
    started = time.monotonic()
    refresh = refresh_lake(definitions(), instance, selection, lambda _: None, jobs=jobs, definitions=definitions)
    assert not refresh.failed and refresh.ran, time.monotonic() - started
    one, many = Lake(made_once / "lake"), Lake(settings.lake)
    tables = {key.path[-1] for step in refresh.ran for key in step.keys if many.has(key.path[-1])}
    assert {"clips", "feature_index", "pair_index", "hero_clips", "graph_clusters"} <= tables
    differ = {table for table in tables if one.version(table) != many.version(table)}
    assert differ <= {"retail_source"}, "whose version contains paths"

"""A refresh at 1,200 shards: planning, a refresh with nothing to do, the cost of a step, and two workers against one.

One worker keeps two cores busy where it decodes videos while the network computes. Two workers are therefore compared
with one worker on one core, as if each had a machine of its own. The measurements take turns, because the speed of a
machine that is shared changes within minutes.

Shards are empty or nearly so: what is measured is the orchestration. ``dagster asset materialize`` makes some of the
same partitions in the same run, one process per partition, as a person would without a refresh. ``BENCH_SHARE=1``
measures the cost of a step at all sizes; the default is the smallest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

import dagster as dg
import pytest

from assets.lake import Lake
from ml.memory_counters import resident_mib
from orchestration.artifacts import Artifact, Resources, artifact_of
from orchestration.artifacts.tables import LakeTable
from orchestration.definitions import build_defs
from orchestration.instance import name_instance
from orchestration.refresh import Plan, refresh_lake
from orchestration.refresh.order import Order
from orchestration.settings import Settings
from orchestration.settings.catalogue import environment
from tests.benchmarks.results import Table
from tests.world import small_settings

SHARDS = 1200
SIZES = (40, 400, 1200) if os.environ.get("BENCH_SHARE") == "1" else (40,)
PEER_PARTITIONS = 2
WORKER_SHARDS = 8
VIDEOS_PER_SHARD = 32
"""Videos of a shard on average, in the comparison of workers."""
ROUNDS = 3
"""Turns of that comparison."""
TWO_TABLES, ONE_TABLE = "key:captions or key:caption_fetches", "key:video_metadata"
"""Sharded assets, by the number of tables that a step makes and checks."""


class Cost(NamedTuple):
    """What a piece of work took: seconds, CPU seconds with those of other processes, peak memory in GiB."""

    wall_s: float
    cpu_s: float
    peak_gib: float
    steps: int


def measured(work: Callable[[], int]) -> Cost:
    """Do something in a new process, and measure it. ``work`` returns a number of steps."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, work).result()


def _measure(work: Callable[[], int]) -> Cost:
    before, started = os.times(), time.monotonic()
    steps = work()
    after, wall_s = os.times(), time.monotonic() - started
    cpu_s = sum(after[:4]) - sum(before[:4])
    return Cost(wall_s, cpu_s, resident_mib("VmHWM") / 1024, steps)


def opened(settings: Settings) -> dg.DagsterInstance:
    """The instance of a lake, as the command line opens it."""
    for variable in ("DAGSTER_HOME", "DAGSTER_STATE"):
        os.environ.pop(variable, None)
    name_instance(settings.lake).mkdir(parents=True, exist_ok=True)
    return dg.DagsterInstance.get()


def plan_all(settings: Settings) -> int:
    """Plan a refresh of everything; the number of steps."""
    with opened(settings) as instance:
        plan = Plan(build_defs(settings), instance)
        computations = plan.computations(None)
        order = Order(plan, computations)
        while step := order.next():
            plan.why(step)
            order.done(step)
        return sum(len(plan.steps(keys)) for keys in computations)


def refresh(settings: Settings, selection: str, jobs: int = 1) -> int:
    """Refresh a selection; the number of steps that were made."""
    with opened(settings) as instance:
        definitions = partial(build_defs, settings)
        done = refresh_lake(definitions(), instance, selection, lambda _: None, jobs=jobs, definitions=definitions)
        assert not done.failed, done.failed
        return len(done.ran)


def refresh_nothing(settings: Settings, selection: str) -> int:
    """Refresh a selection that is up to date; the number of steps that were found so."""
    with opened(settings) as instance:
        done = refresh_lake(build_defs(settings), instance, selection, lambda _: None)
        assert not done.failed and not done.ran, done.summary
        return len(done.unchanged)


def record_everything(settings: Settings) -> str:
    """Record all sharded assets as made of no rows, with the tables and arrays that a refresh leaves then.

    Returns:
        Their selection.
    """
    defs, shards = build_defs(settings), settings.sharding.keys
    resources = dict(defs.resources or {})
    for shard in shards:
        resources["hero_store"].write(shard, [])
        resources["pairs"].write(shard, [], dim=1)
    graph, made = defs.resolve_asset_graph(), []
    with opened(settings) as instance:
        for key in graph.toposorted_asset_keys:
            node = graph.get(key)
            if node.partitions_def is None or list(node.partitions_def.get_partition_keys()) != shards:
                continue
            for shard, version in _versions_without_rows(artifact_of(node.to_asset_spec()), resources, shards).items():
                tags = {"dagster/data_version": str(version), "dagster/code_version": str(node.code_version)}
                instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=shard, tags=tags))
            made.append(key.to_user_string())
    return " or ".join(f"key:{name}" for name in made)


def _versions_without_rows(artifact: Artifact, resources: Resources, shards: list[str]) -> dict[str, str | None]:
    """The content version of each shard; a table is made without rows."""
    if not isinstance(artifact, LakeTable):
        return {shard: artifact.version(resources, shard) for shard in shards}
    lake: Lake = resources["lake"]
    lake.write(artifact.table.name, artifact.table.frame([]), shards[0])
    return lake.versions(artifact.table.name, shards)


def test_planning_and_a_refresh_with_nothing_to_do(tmp_path: Path, table: Callable[..., Table]) -> None:
    results = table("A refresh at 1,200 shards", "work", "steps", "seconds", "CPU s", "peak GiB")
    settings = small_settings(tmp_path, shards=SHARDS)
    results.add("plan everything, nothing is made", *_row(measured(partial(plan_all, settings))))
    sharded = record_everything(settings)
    results.add("refresh all sharded assets, up to date", *_row(measured(partial(refresh_nothing, settings, sharded))))


def _row(cost: Cost) -> tuple[int, float, float, float]:
    return cost.steps, cost.wall_s, cost.cpu_s, cost.peak_gib


@pytest.mark.parametrize("shards", SIZES)
def test_the_cost_of_a_step(shards: int, tmp_path: Path, table: Callable[..., Table]) -> None:
    results = table(f"First pass over {shards:,} shards", "work", "steps", "s per step", "CPU s per step")
    settings = small_settings(tmp_path, shards=shards)
    measured(partial(refresh, settings, f"+key:captions and not ({TWO_TABLES})"))
    peers = min(PEER_PARTITIONS, shards)
    for tables, selection in (("two tables", TWO_TABLES), ("one table", ONE_TABLE)):
        cost = measured(partial(refresh, settings, selection))
        name = f"howto refresh --jobs 1, {tables}"
        results.add(name, cost.steps, cost.wall_s / cost.steps, cost.cpu_s / cost.steps)
    cost = measured(partial(materialize, settings, peers))
    results.add("dagster asset materialize, two tables", peers, cost.wall_s / peers, cost.cpu_s / peers)


def materialize(settings: Settings, partitions: int) -> int:
    """Materialize some partitions by Dagster's own command."""
    with opened(settings):
        variables = {**os.environ, **environment(settings)}
    for shard in settings.sharding.keys[:partitions]:
        command = ["-m", "dagster", "asset", "materialize", "-m", "orchestration.definitions", "--select", TWO_TABLES]
        subprocess.run(
            [sys.executable, "-W", "ignore", *command, "--partition", shard],
            env=variables,
            check=True,
            capture_output=True,
        )
    return partitions


def on_cores(cores: Iterable[int], work: Callable[[], int]) -> int:
    """Do something on some of the cores of this machine."""
    os.sched_setaffinity(0, cores)
    return work()


def test_two_workers_against_one(tmp_path: Path, table: Callable[..., Table]) -> None:
    """Steps of many seconds, because a worker needs some seconds to start."""
    settings, prepared = _world_of_videos(tmp_path / "lake"), tmp_path / "prepared"
    measured(partial(refresh, settings, "+key:video_files"))
    (tmp_path / "lake").rename(prepared)

    def seconds(cores: Iterable[int], jobs: int) -> float:
        """Of the features of all shards, in a lake that has everything before them."""
        shutil.copytree(prepared, tmp_path / "lake", symlinks=True)
        cost = measured(partial(on_cores, cores, partial(refresh, settings, "key:video_features", jobs)))
        assert cost.steps == WORKER_SHARDS
        shutil.rmtree(tmp_path / "lake")
        return cost.wall_s

    title = f"Features of {WORKER_SHARDS} shards, {WORKER_SHARDS * VIDEOS_PER_SHARD} videos: medians of {ROUNDS} rounds"
    results = table(title, "workers", "cores", "seconds", "speed", "lowest speed")
    rounds = [(seconds({turn % 2}, 1), seconds({0, 1}, 2), seconds({0, 1}, 1)) for turn in range(ROUNDS)]
    for name, cores, times in zip((1, 2, 1), (1, 2, 2), zip(*rounds, strict=True), strict=True):
        speeds = [one_core / each for (one_core, *_), each in zip(rounds, times, strict=True)]
        results.add(str(name), cores, median(times), median(speeds), min(speeds))


def _world_of_videos(folder: Path) -> Settings:
    tasks = 8
    videos = WORKER_SHARDS * VIDEOS_PER_SHARD // tasks
    return small_settings(folder, shards=WORKER_SHARDS, synthetic_tasks=tasks, synthetic_videos_per_task=videos)

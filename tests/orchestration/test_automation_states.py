"""Automation and ``howto status`` by state: what is out of date is requested exactly once, and nothing else.

The lake is real and made. A requested partition is reported as made again, with the content that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.lake import Lake
from orchestration.artifacts import stored_version
from orchestration.definitions import build_defs
from orchestration.refresh import Plan, Step
from orchestration.settings import Settings
from orchestration.settings.catalogue import environment
from orchestration.settings.load import load_settings
from tests.orchestration.reports import report_materialization
from tests.world import instance_in, small_settings

SHARD, OTHER = "shard-0001", "shard-0000"
Partition = tuple[str, str | None]
Remake = Callable[[], object] | None
"""What making a partition again does to the lake."""


class World:
    """A lake in which everything is made, its records, and automation that was never on."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance, self.lake = settings, instance, Lake(settings.lake)
        self.cursor: dg.AssetDaemonCursor | None = None
        self.code: dict[str, str] = {}
        self.changes: dict[str, object] = {}
        self.load()

    def load(self) -> None:
        """Load the definitions, as the code server does when it starts, with the changes of settings and code."""
        names = {name.removeprefix("HOWTO_").lower(): value for name, value in environment(self.settings).items()}
        loaded = build_defs(load_settings(**{**names, **self.changes}))
        self.defs = loaded.map_asset_specs(
            func=lambda spec: spec.replace_attributes(code_version=self.code.get(spec.key.path[-1], spec.code_version))
        )
        self.graph = self.defs.resolve_asset_graph()

    def report(self, name: str, partition: str | None = None, good: bool = True) -> None:
        """Record a materialization of what is stored, and the results of its checks."""
        key = dg.AssetKey(name)
        tags = {
            "dagster/data_version": str(stored_version(self.defs, key, partition)),
            "dagster/code_version": str(self.graph.get(key).code_version),
        }
        report_materialization(
            self.instance, self.graph, dg.AssetMaterialization(key, partition=partition, tags=tags), good
        )

    def change_clips(self, good: bool = True) -> None:
        """Make a shard of clips again, of other content."""
        self.lake.connection.execute(f"UPDATE clips SET caption = caption || '!' WHERE shard = '{SHARD}'")
        self.report("clips", SHARD, good)

    def status(self) -> set[Partition]:
        """What ``howto status`` would run of what automation is for; sources are checked by their schedule."""
        plan = Plan(self.defs, self.instance)
        return {
            (key.path[-1], step.partition)
            for keys in plan.computations(None)
            for step in plan.steps(keys)
            if not plan.is_source(keys) and plan.why(step) and not plan.blocked(step)
            for key in keys
            if self.graph.get(key).automation_condition
        }

    def evaluate(self) -> list[Partition]:
        """What automation requests now."""
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return [
            (key.path[-1], partition)
            for key in self.graph.get_all_asset_keys()
            for partition in result.get_requested_partitions(key)
            if self.graph.get(key).group_name != "hero_tasks"
        ]

    def settle(self, remake: Remake = None) -> list[Partition]:
        """Evaluate until nothing is requested; all requests. ``remake`` is what making the first of them does."""
        requests: list[Partition] = []
        while requested := self.evaluate():
            if remake and not requests:
                remake()
            requests += requested
            for name, partition in requested:
                self.report(name, partition)
        return requests


@pytest.fixture(scope="module")
def world(made: tuple[Settings, Path]) -> Iterator[World]:
    with instance_in(made[1]) as instance:
        yield World(made[0], instance)


def nothing(world: World) -> Remake:
    """Nothing changes; automation is switched on for the first time."""
    return None


def other_content(world: World) -> Remake:
    world.change_clips()
    return None


def reloaded(world: World) -> Remake:
    world.change_clips()
    world.load()
    return None


def switched_on_late_or_cursor_lost(world: World) -> Remake:
    world.change_clips()
    world.cursor = None
    return None


def option_changed(world: World) -> Remake:
    world.changes["gcn_layers"] = 4
    world.load()
    return None


def code_changed(world: World) -> Remake:
    world.code["clip_pairs"] = "another"
    world.load()
    return None


def rows_deleted(world: World) -> Remake:
    rows = world.lake.read("captions", [SHARD]).pl()
    world.lake.connection.execute(f"DELETE FROM captions WHERE shard = '{SHARD}'")
    world.load()  # content is compared when the code server starts
    return lambda: world.lake.write("captions", rows, SHARD)


def file_damaged(world: World) -> Remake:
    file = world.settings.lake / "models" / "cluster_gcn" / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(b"damaged")
    world.load()
    return lambda: file.write_bytes(content)


def requests_due(world: World) -> Remake:
    """A request without an answer, which everything else was made after, falls due; the answer is the same again."""

    def wait(days: int) -> None:
        time = datetime.now(UTC) + timedelta(days=days)
        world.lake.connection.execute("UPDATE video_files SET next_try_at = ? WHERE status = 'retry'", [time])

    rows = world.lake.read("video_files", [SHARD]).pl()
    first = pl.int_range(pl.len()) == 0
    waiting = rows.with_columns(status=pl.when(first).then(pl.lit("retry")).otherwise("status"))
    world.lake.write("video_files", waiting, SHARD)
    wait(days=1)
    world.report("video_files", SHARD)
    world.settle()
    wait(days=-1)
    return lambda: wait(days=1)


STATES: list[tuple[Callable[[World], Remake], set[Partition]]] = [
    (nothing, set()),
    (other_content, {("clip_pairs", SHARD)}),
    (reloaded, {("clip_pairs", SHARD)}),
    (switched_on_late_or_cursor_lost, {("clip_pairs", SHARD)}),
    (option_changed, {("cluster_gcn", None)}),
    (code_changed, {("clip_pairs", SHARD), ("clip_pairs", OTHER)}),
    (rows_deleted, {("captions", SHARD)}),
    (file_damaged, {("cluster_gcn", None)}),
    (requests_due, {("video_files", SHARD)}),
]


@pytest.mark.campaign
@pytest.mark.parametrize(("change", "some"), STATES, ids=lambda each: getattr(each, "__name__", ""))
def test_automation_requests_once_what_status_would_run(
    change: Callable[[World], Remake], some: set[Partition], world: World
) -> None:
    remake = change(world)
    expected = world.status()
    requests = world.settle(remake)
    assert len(requests) == len(set(requests))
    assert set(requests) == expected >= some


@pytest.mark.campaign
def test_what_failed_a_check_holds_up_automation_and_a_refresh_until_it_passes(world: World) -> None:
    world.change_clips(good=False)
    assert ("clip_pairs", SHARD) not in world.status() | set(world.evaluate())
    plan = Plan(world.defs, world.instance)
    assert plan.blocked(Step(plan.computation(dg.AssetKey("clip_pairs")), SHARD)) == (
        f"check schema of clips [{SHARD}] failed"
    )
    world.report("clips", SHARD)
    expected = world.status()
    assert ("clip_pairs", SHARD) in expected
    assert set(world.settle()) == expected


class Records(World):
    """Reported materializations of a lake that does not exist, so that no content is compared with them."""

    def report(self, name: str, partition: str | None = None, good: bool = True, version: str = "1") -> None:
        code = str(self.graph.get(dg.AssetKey(name)).code_version)
        tags = {"dagster/data_version": version, "dagster/code_version": code}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition, tags=tags))

    def report_all(self) -> None:
        for key in self.graph.toposorted_asset_keys:
            definition = self.graph.get(key).partitions_def
            for partition in definition.get_partition_keys() if definition else [None]:
                self.report(key.path[-1], partition)


@pytest.mark.campaign
def test_automation_requests_what_status_would_run_of_1200_partitions(tmp_path: Path) -> None:
    world = Records(small_settings(tmp_path, shards=1200), dg.DagsterInstance.ephemeral())
    world.report_all()
    assert world.settle() == [] and world.status() == set()

    world.report("clips", "shard-0700", version="2")
    expected = world.status()
    assert ("clip_pairs", "shard-0700") in expected and ("clip_pairs", "shard-0701") not in expected
    requests = world.settle()
    assert set(requests) == expected and len(requests) == len(expected)

    world.code["clip_pairs"] = "another"
    world.load()
    world.cursor = None
    expected = world.status()
    requests = world.settle()
    assert set(requests) == expected and len(requests) == len(expected)
    assert sum(name == "clip_pairs" for name, _ in expected) == 1200

"""The staleness rule by state: what was recorded with a materialization, compared with what there is now."""

import dagster as dg
import pytest

from orchestration.conditions import when_out_of_date
from orchestration.staleness import Staleness

PARTITIONS = dg.StaticPartitionsDefinition([f"shard-{number:04d}" for number in range(120)])
"""More than the 100 partitions up to which Dagster's own stale status compares versions."""

CONTENT: dict[str, str] = {}
BROKEN: set[str] = set()


def content(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The version of the partition, or of the asset, that a test has set."""
    name = context.asset_key.to_user_string()
    if name in BROKEN:
        raise ValueError("broken")
    place = f"{name}/{context.partition_key}" if context.has_partition_key else name
    return dg.MaterializeResult(data_version=dg.DataVersion(CONTENT.get(place, CONTENT.get(name, "1"))))


def definitions(code: str = "1") -> dg.Definitions:
    @dg.asset(partitions_def=PARTITIONS)
    def clips(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return content(context)

    @dg.asset(partitions_def=PARTITIONS, deps=[clips])
    def pairs(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return content(context)

    @dg.asset(deps=[pairs], code_version=code, automation_condition=when_out_of_date([dg.AssetKey("pairs")]))
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return content(context)

    return dg.Definitions([clips, pairs, model])


class World:
    """A small asset graph and its instance."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.defs = definitions()
        CONTENT.clear()
        BROKEN.clear()

    def run(self, name: str, partition: str | None = None) -> bool:
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name)],
            partition_key=partition,
            raise_on_error=False,
        ).success

    def reason(self, name: str, partition: str | None = None) -> str | None:
        staleness = Staleness(self.defs.resolve_asset_graph(), self.instance)
        return staleness.reason(dg.AssetKey(name), partition)

    def requests(self) -> int:
        """How often automation, with no memory of an earlier evaluation, requests the model."""
        return dg.evaluate_automation_conditions(self.defs, self.instance).total_requested


@pytest.fixture
def world() -> World:
    world = World()
    for name in ("clips", "pairs"):
        for partition in PARTITIONS.get_partition_keys()[:3]:
            assert world.run(name, partition)
    return world


def test_an_asset_follows_the_content_of_its_inputs_and_not_their_runs(world: World) -> None:
    assert world.reason("model") == "not made yet" and world.reason("pairs", "shard-0003") == "not made yet"
    assert world.run("model") and world.reason("model") is None
    assert world.run("pairs", "shard-0001") and world.reason("model") is None, "the same content"
    CONTENT["pairs/shard-0001"] = "2"
    assert world.run("pairs", "shard-0001") and world.reason("model") == "new content of pairs"
    assert world.run("model") and world.reason("model") is None


def test_a_partition_follows_its_own_partition(world: World) -> None:
    CONTENT["clips/shard-0001"] = "2"
    assert world.run("clips", "shard-0001")
    assert world.reason("pairs", "shard-0001") == "new content of clips"
    assert world.reason("pairs", "shard-0002") is None


def test_changed_code_is_a_reason(world: World) -> None:
    assert world.run("model")
    world.defs = definitions(code="2")
    assert world.reason("model") == "its code or options changed"


def test_what_failed_waits_for_a_change_also_without_a_cursor(world: World) -> None:
    for partition in PARTITIONS.get_partition_keys()[3:]:
        for name in ("clips", "pairs"):
            world.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition))
    assert world.requests() == 1
    BROKEN.add("model")
    assert not world.run("model") and world.requests() == 0
    CONTENT["pairs/shard-0001"] = "2"
    assert world.run("pairs", "shard-0001") and world.requests() == 1


def test_an_asset_costs_two_queries_whatever_its_partitions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.run("model")
    staleness, queries = Staleness(world.defs.resolve_asset_graph(), world.instance), []
    for method in ("fetch_materializations", "get_latest_storage_id_by_partition"):
        original = getattr(world.instance, method)
        monkeypatch.setattr(
            world.instance, method, lambda *a, _f=original, **b: (queries.append(a), _f(*a, **b))[1], raising=True
        )
    keys = [dg.AssetKey(name) for name in ("clips", "pairs", "model")]
    reasons = [staleness.reason(key, partition) for key in keys for partition in staleness.partitions(key)]
    assert len(reasons) == 241 and len(queries) <= 5

"""Automation stepped through time: what is out of date is made again, once, and nothing else; sensors; alerts.

The definitions are the real ones. Assets are not computed: their materializations are reported.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import build_defs
from orchestration.settings import load_settings
from tests.orchestration.reports import report_materialization
from tests.world import write_transactions


class Automation:
    """Dagster's records under the real definitions, and the requests of each evaluation of the conditions."""

    def __init__(self, **settings: object) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursor: dg.AssetDaemonCursor | None = None
        self.versions: dict[tuple[dg.AssetKey, str | None], int] = {}
        self.load(**settings)

    def load(self, **settings: object) -> None:
        """Deploy the definitions under these settings."""
        self.defs = build_defs(load_settings(**settings))
        self.graph = self.defs.resolve_asset_graph()

    def evaluate(self) -> set[tuple[dg.AssetKey, str | None]]:
        """The partitions that are requested now, without the fine-tunings, which are many."""
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {
            (key, partition)
            for key in self.graph.get_all_asset_keys()
            for partition in result.get_requested_partitions(key)
            if self.graph.get(key).group_name != "hero_tasks"
        }

    def newest_events(self, key: dg.AssetKey) -> dict[str, str]:
        """What Dagster records when a step of the asset begins: the newest event of each input."""
        found = {}
        for parent in self.graph.get(key).parent_keys:
            records = self.instance.fetch_materializations(parent, limit=1).records
            pointer = str(records[0].storage_id) if records else "NULL"
            found[f"dagster/input_event_pointer/{parent.to_user_string()}"] = pointer
        return found

    def materialize(
        self,
        key: dg.AssetKey,
        partition: str | None = None,
        *,
        changed: bool = True,
        good: bool = True,
        inputs: dict[str, str] | None = None,
    ) -> None:
        """Report a materialization, with other content or the same, and the results of its blocking checks.

        Args:
            inputs: ``newest_events`` when the step began; by default those of now.
        """
        version = self.versions.get((key, partition), 0) + changed
        self.versions[key, partition] = version
        tags = self.newest_events(key) if inputs is None else dict(inputs)
        tags |= {"dagster/data_version": str(version), "dagster/code_version": str(self.graph.get(key).code_version)}
        report_materialization(
            self.instance, self.graph, dg.AssetMaterialization(key, partition=partition, tags=tags), good
        )

    def settle(self, same: frozenset[str] = frozenset()) -> list[str]:
        """Evaluate and materialize until nothing is requested; everything that was made, in order.

        Args:
            same: assets whose content does not change.
        """
        made: list[str] = []
        while requested := self.evaluate():
            began = {key: self.newest_events(key) for key, _ in requested}
            for key, partition in sorted(requested, key=str):
                self.materialize(key, partition, changed=key.to_user_string() not in same, inputs=began[key])
                made.append(key.to_user_string() + (f" [{partition}]" if partition else ""))
        return made


@pytest.fixture(scope="module", params=[3, pytest.param(120, marks=pytest.mark.campaign)])
def shards(request: pytest.FixtureRequest) -> int:
    """Few, and more than 100: from there on, what Dagster calls stale no longer depends on versions."""
    return int(request.param)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, shards: int) -> tuple[Automation, list[str]]:
    """Automation after it made everything from nothing, and the order in which it did."""
    automation = Automation(lake=tmp_path_factory.mktemp("lake"), shards=shards)
    return automation, automation.settle()


def of_shard(*names: str, shard: str = "shard-0002") -> set[str]:
    return {f"{name} [{shard}]" for name in names}


CLIPS = dg.AssetKey("clips")
FROM_A_CLIP = {"training_manifest", "word_vectors", "joint_embedding", "joint_embedding_evaluation", "hero_pretraining"}


def test_what_is_missing_is_made_once_after_its_inputs(settled: tuple[Automation, list[str]]) -> None:
    automation, made = settled
    wanted = {key for key in automation.graph.get_all_asset_keys() if automation.graph.get(key).automation_condition}
    names = [each.partition(" [")[0] for each in made]
    assert len(made) == len(set(made))
    assert {dg.AssetKey(name) for name in names} == {
        key for key in wanted if automation.graph.get(key).group_name != "hero_tasks"
    }
    for place, name in enumerate(names):
        inputs = {key.to_user_string() for key in automation.graph.get(dg.AssetKey(name)).parent_keys}
        assert not inputs & set(names[place + 1 :]), name


def test_a_request_is_not_repeated_while_nothing_changes(tmp_path: Path) -> None:
    automation = Automation(lake=tmp_path)
    assert automation.evaluate() and not automation.evaluate()


def test_a_changed_clip_reaches_just_what_learns_from_it(settled: tuple[Automation, list[str]]) -> None:
    automation, _ = settled
    automation.materialize(CLIPS, "shard-0002")
    made = automation.settle()
    assert len(made) == len(set(made))
    assert FROM_A_CLIP | of_shard("clip_pairs", "pair_index", "hero_clips") <= set(made)
    assert {each for each in made if each.startswith(("clips", "clip_pairs"))} == of_shard("clip_pairs")
    assert not [each for each in made if each.startswith(("graph", "cluster_gcn", "captions", "video_features"))]


def test_the_same_content_goes_no_further(settled: tuple[Automation, list[str]]) -> None:
    automation, _ = settled
    automation.materialize(CLIPS, "shard-0002", changed=False)
    assert automation.settle() == []
    automation.materialize(CLIPS, "shard-0002")
    manifests = frozenset({"training_manifest", "hero_manifest"})
    made = set(automation.settle(same=manifests))
    assert manifests <= made and not made & {"joint_embedding", "hero_pretraining"}


def test_a_change_during_a_training_is_not_lost(settled: tuple[Automation, list[str]]) -> None:
    automation, _ = settled
    words, model = dg.AssetKey("word_vectors"), dg.AssetKey("joint_embedding")
    automation.materialize(words)
    assert (model, None) in automation.evaluate()
    began = automation.newest_events(model)
    automation.materialize(words)
    automation.materialize(model, inputs=began)
    assert (model, None) in automation.evaluate()
    automation.materialize(model)
    automation.settle()


def test_a_lost_cursor_and_a_late_start_lose_no_change(settled: tuple[Automation, list[str]]) -> None:
    automation, _ = settled
    automation.cursor = None
    assert automation.settle() == [], "everything is up to date"
    automation.materialize(CLIPS, "shard-0002")
    automation.cursor = None
    made = automation.settle()
    assert FROM_A_CLIP | of_shard("clip_pairs", "pair_index", "hero_clips") <= set(made)
    assert len(made) == len(set(made))


def test_what_is_broken_goes_no_further_until_it_is_good(settled: tuple[Automation, list[str]]) -> None:
    automation, _ = settled
    automation.materialize(CLIPS, "shard-0001", good=False)
    automation.materialize(CLIPS, "shard-0002")
    requested = automation.evaluate()
    quality = dg.AssetKey("clip_quality")
    assert (quality, "shard-0002") in requested and (quality, "shard-0001") not in requested
    automation.materialize(CLIPS, "shard-0001", changed=False)
    assert (quality, "shard-0001") in automation.evaluate()
    automation.settle()


def test_changed_code_makes_its_asset_and_what_depends_on_it(
    settled: tuple[Automation, list[str]], shards: int
) -> None:
    automation, _ = settled
    automation.load(lake=automation.defs.resources["lake"].root, shards=shards, gcn_layers=4)
    made = set(automation.settle())
    assert {"cluster_gcn", "cluster_gcn_evaluation", "data_set_card"} <= made
    assert not [each for each in made if each.startswith(("graph", "clip", "joint", "hero"))]


class Webhook(BaseHTTPRequestHandler):
    """Takes messages, as a chat service does."""

    received: list[dict[str, str]]

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test reads what was received."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    Webhook.received = []
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", Webhook.received
    server.shutdown()
    server.server_close()


def test_a_sensor_notices_new_transactions_once(tmp_path: Path) -> None:
    paths = write_transactions(tmp_path, products_each=5, baskets=30)
    settings = load_settings(lake=tmp_path / "lake", **paths)
    defs = build_defs(settings)
    (sensor,) = [each for each in defs.sensors or () if each.name == "new_transactions"]
    assert isinstance(sensor, dg.SensorDefinition)
    instance = dg.DagsterInstance.ephemeral()

    def check(cursor: str | None) -> dg.SensorResult | dg.SkipReason:
        context = dg.build_sensor_context(
            instance, cursor, resources={"retail": build_defs(settings).resources["retail"]}
        )
        result = sensor(context)
        assert isinstance(result, dg.SensorResult | dg.SkipReason)
        return result

    first = check(None)
    assert isinstance(first, dg.SensorResult) and len(first.run_requests or ()) == 1
    assert isinstance(check(first.cursor), dg.SkipReason)
    write_transactions(tmp_path, products_each=5, baskets=31)
    assert isinstance(check(first.cursor), dg.SensorResult)


def test_a_failed_run_is_posted(tmp_path: Path, webhook: tuple[str, list[dict[str, str]]]) -> None:
    address, received = webhook
    defs = build_defs(load_settings(lake=tmp_path / "lake", alert_webhook=address))
    (sensor,) = [each for each in defs.sensors or () if each.name == "alert_on_failure"]

    @dg.asset
    def broken() -> None:
        raise ValueError("no batter left")

    instance = dg.DagsterInstance.ephemeral()
    result = dg.materialize([broken], instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        "alert_on_failure", result.get_run_failure_event(), instance, result.dagster_run
    ).for_run_failure()
    sensor(context)  # type: ignore[operator]
    (message,) = received
    assert result.run_id in message["text"]
    assert message["text"].splitlines()[1] == "broken: ValueError: no batter left"

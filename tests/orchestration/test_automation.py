"""Automation stepped through time: what changed is made anew, and nothing else; sensors; alerts."""

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
from tests.world import write_transactions


class Webhook(BaseHTTPRequestHandler):
    """Takes messages, as a chat service does."""

    received: list[dict[str, str]]

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at what was received."""


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

    def look(cursor: str | None) -> dg.SensorResult | dg.SkipReason:
        context = dg.build_sensor_context(
            instance, cursor, resources={"retail": build_defs(settings).resources["retail"]}
        )
        result = sensor(context)
        assert isinstance(result, dg.SensorResult | dg.SkipReason)
        return result

    first = look(None)
    assert isinstance(first, dg.SensorResult) and len(first.run_requests or ()) == 1
    assert isinstance(look(first.cursor), dg.SkipReason)
    write_transactions(tmp_path, products_each=5, baskets=31)
    assert isinstance(look(first.cursor), dg.SensorResult)


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

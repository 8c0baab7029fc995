"""OpenLineage events of recorded runs, as a catalog receives them."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest

from orchestration.definitions import build_defs
from orchestration.lineage import client, run_events
from orchestration.refresh import Refresh
from tests.world import small_settings


@pytest.mark.parametrize("by_http", [False, True])
def test_a_catalog_receives_what_a_run_read_and_made(tmp_path: Path, by_http: bool) -> None:
    received: list[dict[str, Any]] = []

    class Catalog(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    settings = small_settings(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), Catalog)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    target = f"http://127.0.0.1:{server.server_address[1]}" if by_http else str(tmp_path / "events.jsonl")
    with dg.DagsterInstance.ephemeral() as instance:
        defs = build_defs(settings)
        assert Refresh(defs, instance).run("group:sources or group:tasks")
        sender = client(target)
        sent = list(run_events(defs, instance, settings.lake))
        for event in sent:
            sender.emit(event)
        sender.close()
    server.shutdown()
    server.server_close()
    if not by_http:
        received = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert len(received) == len(sent) and {event["eventType"] for event in received} == {"START", "COMPLETE"}
    (made,) = (event for event in received if event["job"]["name"].startswith("tasks") and event["outputs"])
    tasks = next(each for each in made["outputs"] if each["name"] == "tasks")
    assert tasks["facets"]["schema"]["fields"][0]["name"] == "task_id"
    (articles,) = (each for event in received for each in event["outputs"] if each["name"] == "wikihow_articles")
    read = next(each for each in made["inputs"] if each["name"] == "wikihow_articles")
    assert read["facets"]["version"]["datasetVersion"] == articles["facets"]["version"]["datasetVersion"]

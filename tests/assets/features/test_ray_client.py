"""Features on a Ray cluster elsewhere, reached by Ray's client: the same rows as in process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.browser import Browser

pytest.importorskip("ray")

REPOSITORY = Path(__file__).resolve().parents[3]

SCRIPT = """
import sys
from pathlib import Path

from assets.features.extract import extract_shard
from assets.features.store import FeatureStore
from tests.assets.features.test_ray_pool import SECONDS, Load, content, pictures_seen, write_videos
from assets.features.ray_pool import extract_shard_by_ray

root = Path(sys.argv[1])
(root / "videos").mkdir()
files = write_videos(root / "videos", 6)
here, there = FeatureStore(root / "here"), FeatureStore(root / "there")
alone, many = Load(root / "alone"), Load(root / "many")
reported = []
expected = extract_shard(files, alone(), here, "shard-0000", batch=SECONDS)
made = extract_shard_by_ray(files, many, there, "shard-0000", reported.append, SECONDS, actors=2)
assert made == expected and sorted(each.video_id for each in reported) == [each.video_id for each in expected]
assert content(there.array("brightness", "shard-0000")) == content(here.array("brightness", "shard-0000"))
assert pictures_seen(many.journal) == pictures_seen(alone.journal)
print("the same")
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A Ray cluster of one node, in processes of its own: its address for clients, and its own port."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    command, port, client = Path(sys.executable).with_name("ray"), free_port(), free_port()
    # Sockets have short names, and a folder of pytest a long one.
    session = Path(tempfile.mkdtemp(prefix="ray-"))
    where = ["--node-ip-address", "127.0.0.1", "--port", str(port), "--ray-client-server-port", str(client)]
    start = [command, "start", "--head", "--block", *where, "--num-cpus", "3", "--include-dashboard", "false"]
    with (tmp_path / "log").open("w") as log:
        node = subprocess.Popen([*start, "--temp-dir", session], stdout=log, stderr=log)
    try:
        Browser.until(lambda: node.poll() is None and "Ray runtime started" in (tmp_path / "log").read_text(), 120)
        yield f"ray://127.0.0.1:{client}", port
    finally:
        node.terminate()
        node.wait(60)
        shutil.rmtree(session, ignore_errors=True)


def kill_first_server(port: int, killed: list[int]) -> None:
    """Kill the first server that the cluster of this port starts for a client, while it starts."""
    deadline = time.monotonic() + 120
    while not killed and time.monotonic() < deadline:
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if "--mode=specific-server" in command and any(each.endswith(f":{port}") for each in command):
                process.kill()
                killed.append(process.pid)
                break
        time.sleep(0.02)


@pytest.mark.campaign
def test_a_cluster_that_is_reached_by_the_client_makes_the_same_though_its_first_server_dies(
    cluster: tuple[str, int], tmp_path: Path
) -> None:
    killed: list[int] = []
    address, port = cluster
    killer = threading.Thread(target=kill_first_server, args=[port, killed])
    killer.start()
    # Ray reads its settings when it is imported.
    environment = {**os.environ, "RAY_ADDRESS": address}
    script = [sys.executable, "-c", SCRIPT, tmp_path]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=240)
    killer.join()
    assert killed and done.stdout.endswith("the same\n"), done.stdout + done.stderr

"""The fault campaign: processes are killed, files damaged and disks filled at random, and nothing is lost.

Figures: *survived* is content that the next refresh left alone, *repaired* is content that it made again to the same
versions, *lost* is content that it could not bring back. CAMPAIGN_KILLS and CAMPAIGN_SEED change size and choices.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.lake import load_tables
from assets.models.folder import model_version
from orchestration.definitions import build_defs
from orchestration.integrity import check_stored
from orchestration.refresh import Refresh
from orchestration.resources import lake_of
from orchestration.selections import SELECTIONS
from orchestration.settings import Settings
from orchestration.settings.catalogue import environment
from tests.world import instance_in, small_settings

pytestmark = pytest.mark.campaign

KILLS = int(os.environ.get("CAMPAIGN_KILLS", "100"))
DAMAGES = int(os.environ.get("CAMPAIGN_DAMAGES", "60"))
SEED = int(os.environ.get("CAMPAIGN_SEED", "0"))
CHANGING = {"evaluations", "dataset_statistics", "video_source", "retail_source"}
"""Tables with times and snapshots in them."""


def versions(settings: Settings) -> dict[str, str | None]:
    """Content version of every table and model."""
    lake = lake_of(settings)
    tables = {name: lake.version(name) for name in load_tables() if lake.has(name) and name not in CHANGING}
    lake.close()
    folders = (settings.lake / "models").glob("*/config.json")
    return tables | {f"model {path.parent.name}": model_version(path.parent) for path in folders}


def start(settings: Settings, state: Path) -> subprocess.Popen[str]:
    variables = {**os.environ, **environment(settings), "DAGSTER_STATE": str(state)}
    command = [sys.executable, "-W", "ignore", "-m", "orchestration.refresh", "--select", SELECTIONS["everything"]]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_at_steps(settings: Settings, state: Path, kills: int, choices: random.Random) -> Counter[str]:
    """Kill a refresh again and again, each time a random moment after another step begins; the steps it was in."""
    killed: Counter[str] = Counter()
    while killed.total() < kills:
        process = start(settings, state)
        assert process.stdout
        steps = [choices.randint(1, 4), 0]
        for line in process.stdout:
            if "  making   " in line and "source" not in line:
                steps[1] += 1
                if steps[1] == steps[0]:
                    time.sleep(choices.expovariate(1 / 0.4))
                    killed[line.split()[1]] += 1
                    break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if steps[1] < steps[0]:  # it came to its end: everything is made
            break
    return killed


def test_killed_processes_lose_nothing(tmp_path: Path) -> None:
    choices = random.Random(SEED)
    reference = small_settings(tmp_path / "reference")
    (tmp_path / "state").mkdir()
    with instance_in(tmp_path / "state") as instance:
        whole = Refresh(build_defs(reference), instance)
        assert whole.run(), whole.failed
    expected, killed, round_ = versions(reference), Counter[str](), 0
    while killed.total() < KILLS:
        round_ += 1
        folder = tmp_path / f"round-{round_}"
        paths = {"transactions": tmp_path / "reference" / "transactions.csv"}
        paths["products"] = tmp_path / "reference" / "products.parquet"
        settings, state = small_settings(folder, **paths), folder / "dagster"
        killed += kill_at_steps(settings, state, KILLS - killed.total(), choices)
        output, _ = (last := start(settings, state)).communicate(timeout=3000)
        assert last.returncode == 0, output
        found = versions(settings)
        lost = {name for name in expected if found.get(name) != expected[name]}
        print(f"round {round_}: {killed.total()} kills in {len(killed)} steps, {len(lost)} lost {sorted(lost)}")
        assert not lost
    print(f"kills: {killed.total()} survived, 0 lost; by step: {dict(killed)}")


def remove(path: Path, choices: random.Random) -> None:
    path.unlink()


def cut(path: Path, choices: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: choices.randrange(path.stat().st_size + 1)])


def empty(path: Path, choices: random.Random) -> None:
    path.write_bytes(b"")


def overwrite(path: Path, choices: random.Random) -> None:
    path.write_bytes(choices.randbytes(max(path.stat().st_size, 1)))


DAMAGE: list[Callable[[Path, random.Random], None]] = [remove, cut, empty, overwrite]
KINDS = {
    "tables": "tables/main/*/**/*.parquet",
    "array data": "arrays/**/*.lance/data/*",
    "array manifests": "arrays/**/*.lance/_versions/*.manifest",
    "media": "media/**/*.mp4",
    "model files": "models/*/*",
    "card": "card/*",
}


def test_damaged_files_are_made_again(made: tuple[Settings, Path]) -> None:
    settings, state = made
    choices, figures = random.Random(SEED), Counter[str]()
    before = versions(settings)
    for number in range(DAMAGES):
        kind = [*KINDS][number % len(KINDS)]
        damage = DAMAGE[number // len(KINDS) % len(DAMAGE)]
        path = choices.choice(sorted(each for each in settings.lake.glob(KINDS[kind]) if each.is_file()))
        damage(path, choices)
        with instance_in(state) as instance:
            refresh = Refresh(build_defs(settings), instance, lambda _: None)
            finished = refresh.run()
            remaining = [each for each in check_stored(build_defs(settings), instance) if each.problems]
        after = versions(settings)
        made_again = {step.name for step in refresh.ran if "source" not in step.name}
        lost = not finished or remaining or any(after.get(name) != before[name] for name in before)
        outcome = "lost" if lost else "repaired" if made_again else "survived"
        figures[outcome] += 1
        where = path.relative_to(settings.lake)
        print(f"{number}: {damage.__name__} {where}: {outcome} {sorted(made_again)}", flush=True)
        if lost:
            print(refresh.failed, remaining, [name for name in before if after.get(name) != before[name]])
    print(f"damage: {dict(figures)}")
    assert not figures["lost"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    choices, disk = random.Random(SEED), tmp_path / "disk"
    disk.mkdir()
    sizes = [*sorted(choices.sample(range(2, 60), int(os.environ.get("CAMPAIGN_DISKS", "6")))), 2000]
    mount(disk, f"size={sizes[0]}m")
    try:
        settings = small_settings(disk / "world")
        for megabytes in sizes:
            mount(disk, f"remount,size={megabytes}m")
            process = start(settings, disk / "world" / "dagster")
            output, _ = process.communicate(timeout=3000)
            lines = output.strip().splitlines()
            print(f"{megabytes} MB: exit code {process.returncode}; {lines[-1]}", flush=True)
            assert "Traceback" not in output, output
        assert process.returncode == 0, output
        assert versions(settings)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def mount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)

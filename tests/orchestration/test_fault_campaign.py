"""The fault campaign: processes are killed, files damaged and disks filled at random, and nothing is lost.

It prints how many kills and damaged files there were, and what was lost: content that the next refresh could not bring
back to the same version. CAMPAIGN_KILLS, CAMPAIGN_DAMAGES, CAMPAIGN_DISKS and CAMPAIGN_SEED change size and choices.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from assets.lake import load_tables
from assets.models.folder import model_version
from orchestration.cli import main
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


def settings_like(made_once: Path, root: Path, **overrides: object) -> Settings:
    """Settings of another lake with the inputs of the one that was made without a fault; one step at a time."""
    # The version of a retail source contains its paths.
    paths = {"transactions": made_once / "transactions.csv", "products": made_once / "products.parquet"}
    return small_settings(root, **{"jobs": 1, **paths, **overrides})


PROCESSES = multiprocessing.get_context("forkserver")
# Lance is loaded there, but begins its threads in the processes that are forked.
PROCESSES.set_forkserver_preload(["orchestration.cli.refreshing", "orchestration.definitions", "torch"])


class Running:
    """A refresh in a process group of its own, forked from a process that has loaded the modules, to save seconds."""

    def __init__(self, settings: Settings, state: Path) -> None:
        output, written = PROCESSES.Pipe(duplex=False)
        variables = {**os.environ, **environment(settings), "DAGSTER_STATE": str(state)}
        self._process = PROCESSES.Process(target=refresh_in_process, args=(variables, written))
        self._process.start()
        written.close()
        self.lines = os.fdopen(os.dup(output.fileno()), encoding="utf-8")

    def kill(self) -> str:
        """Kill the group; the rest of the output."""
        assert self._process.pid
        os.killpg(self._process.pid, signal.SIGKILL)
        return self.end()[1]

    def end(self) -> tuple[int | None, str]:
        """Wait for the process; its exit code and the rest of the output."""
        with self.lines:
            rest = self.lines.read()
        self._process.join()
        return self._process.exitcode, rest


def refresh_in_process(variables: dict[str, str], output: Connection) -> None:
    os.setsid()
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(variables)
    warnings.simplefilter("ignore")
    sys.exit(main(["refresh", "--select", SELECTIONS["everything"]]))


class Killer:
    """Kills refreshes within their steps, about each asset once per lake, and counts the kills by asset."""

    def __init__(self, seed: int) -> None:
        self.killed: Counter[str] = Counter()
        self._choices = random.Random(seed)
        self._seconds: dict[str, float] = {}

    def kill(self, settings: Settings, state: Path, spared: set[str]) -> bool:
        """Run a refresh until it makes an asset that is not in ``spared``, and kill it there; False if it ended."""
        process = Running(settings, state)
        for line in process.lines:
            if made := re.match(r"  made     (\S+).* ([\d.]+) s\)$", line):
                self._seconds[made[1]] = float(made[2])
            making = re.match(r"  making   (\S+)", line)
            if making and making[1] not in spared:
                time.sleep(self._moment(making[1]))
                asset = [making[1], *re.findall(r"^  making   (\S+)", process.kill(), re.MULTILINE)][-1]
                spared |= {making[1], asset}
                self.killed[asset] += 1
                return True
        process.end()
        return False

    def _moment(self, asset: str) -> float:
        """A random moment of a step, in seconds; of one whose duration is not known yet, an early one."""
        known = self._seconds.get(asset)
        return self._choices.uniform(0, known) if known else self._choices.expovariate(1 / 0.4)


def test_killed_processes_lose_nothing(made_once: Path, tmp_path: Path) -> None:
    expected, killer, lakes = versions(settings_like(made_once, made_once)), Killer(SEED), 0
    while killer.killed.total() < KILLS:
        lakes += 1
        settings = settings_like(made_once, tmp_path / f"lake-{lakes}", jobs=2 if lakes % 3 == 0 else 1)
        state, spared = tmp_path / f"lake-{lakes}" / "dagster", {"video_source", "retail_source"}
        while killer.killed.total() < KILLS and killer.kill(settings, state, spared):
            pass
        code, output = Running(settings, state).end()
        assert code == 0, output
        found = versions(settings)
        lost = sorted(name for name in expected if found.get(name) != expected[name])
        print(f"lake {lakes}: {killer.killed.total()} kills, {len(lost)} lost {lost}", flush=True)
        assert not lost
    print(f"kills: {killer.killed.total()} in {len(killer.killed)} assets, 0 lost: {dict(killer.killed)}", flush=True)
    if KILLS >= 100:
        assert {"joint_embedding", "hero_pretraining", "cluster_gcn", "word_vectors"} <= killer.killed.keys()


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
    "metadata": "croissant.json",
}
IN_PLACE = {"media", "model files", "card", "metadata"}
"""Kinds whose files keep their names when they are made again."""


class Damaged(NamedTuple):
    """A file, how it was damaged, and its bytes before and after; None for no file."""

    path: Path
    how: str
    before: bytes
    after: bytes | None


def damage_one_of_each_kind(
    lake: Path, damage: Callable[[Path, random.Random], None], choices: random.Random
) -> dict[str, Damaged]:
    """Damage a random file of each kind in one way."""
    done = {}
    for kind, pattern in KINDS.items():
        path = choices.choice(sorted(each for each in lake.glob(pattern) if each.is_file()))
        before = path.read_bytes()
        damage(path, choices)
        done[kind] = Damaged(path, damage.__name__, before, path.read_bytes() if path.exists() else None)
    return done


def repaired(settings: Settings, state: Path) -> tuple[set[str], dict[object, object]]:
    """The assets that a refresh made again, a second time after what only a thorough check finds; and what is wrong."""
    made_again: set[str] = set()
    for _ in range(2):
        with instance_in(state) as instance:
            refresh = Refresh(build_defs(settings), instance, lambda _: None)
            refresh.run()
            remaining = {each.step: each.problems for each in check_stored(refresh.defs, instance) if each.problems}
        made_again |= {step.name for step in refresh.ran if "source" not in step.name}
        if not remaining:
            break
    return made_again, {**refresh.failed, **remaining}


def test_damaged_files_are_made_again(made: tuple[Settings, Path]) -> None:
    settings, state = made
    choices, figures = random.Random(SEED), Counter[str]()
    before = versions(settings)
    for number in range(-(-DAMAGES // len(KINDS))):
        done = damage_one_of_each_kind(settings.lake, DAMAGE[number % len(DAMAGE)], choices)
        made_again, wrong = repaired(settings, state)
        after = versions(settings)
        lost: set[object] = {*wrong, *(name for name in before if after.get(name) != before[name])}
        for kind, (path, how, content, damaged) in done.items():
            found = path.read_bytes() if path.exists() else None
            if kind in IN_PLACE and (found is None or (damaged != content and found == damaged)):
                lost.add(path)
            print(f"{how} {path.relative_to(settings.lake)}", flush=True)
        figures.update({"damaged": len(done), "made again": len(made_again), "lost": len(lost)})
        print(f"pass {number}: {dict(figures)}; made again {sorted(made_again)}; lost {lost} {wrong}", flush=True)
    assert not figures["lost"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_loses_nothing(made_once: Path, tmp_path: Path) -> None:
    choices, disk = random.Random(SEED), tmp_path / "disk"
    disk.mkdir()
    sizes = [*sorted(choices.sample(range(2, 60), int(os.environ.get("CAMPAIGN_DISKS", "6")))), 2000]
    mount(disk, f"size={sizes[0]}m")
    try:
        settings = settings_like(made_once, disk / "world")
        for megabytes in sizes:
            mount(disk, f"remount,size={megabytes}m")
            code, output = Running(settings, disk / "world" / "dagster").end()
            print(f"{megabytes} MB: exit code {code}; {output.strip().splitlines()[-1]}", flush=True)
            assert "Traceback" not in output, output
        assert code == 0, output
        expected, found = versions(settings_like(made_once, made_once)), versions(settings)
        assert {name for name in expected if found.get(name) != expected[name]} == set()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
def test_a_read_only_disk_loses_nothing(made_once: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount(disk, "size=500m")
    try:
        settings = settings_like(made_once, shutil.copytree(made_once, disk / "world"))
        expected = versions(settings)
        for mode in ("ro", "rw"):
            mount(disk, f"remount,{mode}")
            code, output = Running(settings, disk / "world" / "dagster").end()
            print(f"{mode}: exit code {code}; {output.strip().splitlines()[-1]}", flush=True)
            assert "Traceback" not in output, output
            assert (code, "read-only" in output) == ((2, True) if mode == "ro" else (0, False)), output
        assert versions(settings) == expected
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def mount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)

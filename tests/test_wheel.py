"""The package as a user installs it: a wheel in an environment of its own, outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from assets.lake import Lake, load_tables
from tests.world import write_transactions

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("orchestration", "assets", "ml", "sql")
LOADED = """
import json, assets, ml, orchestration, sql
from assets.lake import load_tables
from orchestration.definitions import build_defs
from orchestration.settings import load_settings
keys = build_defs(load_settings()).resolve_asset_graph().get_all_asset_keys()
print(json.dumps({
    "folders": [module.__path__[0] for module in (assets, ml, orchestration, sql)],
    "tables": sorted(load_tables()),
    "assets": sorted(key.to_user_string() for key in keys),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves files next to its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source"))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and sees the dependencies of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = folder.glob("lib/python*/site-packages")
    # Python does not read the .pth files of this folder, so an editable installation in it stays invisible.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def pip(*arguments: str) -> None:
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", *quiet, *arguments], check=True, cwd="/")


def run(python: Path, folder: Path, *arguments: str, **environment: str) -> str:
    """What a command prints, run in a folder outside the checkout without this process's settings."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("HOWTO_", "DAGSTER_", "PYTHON"))
    }
    done = subprocess.run(
        [python, *arguments], cwd=folder, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_data_file(wheel: Path) -> None:
    files = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "deploy" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == files


def test_the_installed_package_loads_from_its_own_files(python: Path, tmp_path: Path) -> None:
    loaded = json.loads(run(python, tmp_path, "-W", "ignore", "-c", LOADED))
    environment = python.parents[1]
    assert all(Path(folder).is_relative_to(environment) for folder in loaded["folders"]), loaded["folders"]
    assert loaded["tables"] == sorted(load_tables())
    assert {"clips", "joint_embedding", "cluster_gcn"} <= set(loaded["assets"])


def test_the_installed_package_refreshes_a_lake(python: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    paths = write_transactions(tmp_path)
    settings = {f"HOWTO_{name.upper()}": str(path) for name, path in {"lake": lake.root, "jobs": 1, **paths}.items()}
    howto = str(python.with_name("howto"))
    run(python, tmp_path, "-W", "ignore", howto, "refresh", "--select", "+key:tasks or +key:graph_edges", **settings)
    for table in ("tasks", "graph_edges"):
        assert lake.sql(f"SELECT count(*) > 0 FROM {table}").fetchall() == [(True,)]
    assert (lake.root / "dagster" / "history").is_dir()

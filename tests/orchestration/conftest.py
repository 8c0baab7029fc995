"""Fixtures that are expensive to make: PostgreSQL and S3 servers, and a small lake in which everything is made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from orchestration.definitions import build_defs
from orchestration.refresh import Refresh
from orchestration.settings import Settings
from tests.orchestration.search_world import World
from tests.services import Services, serving
from tests.world import instance_in, small_settings


@pytest.fixture(scope="session")
def servers() -> Iterator[Services]:
    with serving() as started:
        yield started


@pytest.fixture
def services(servers: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The servers, with their addresses in the environment as in a pod."""
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    return servers


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small lake with everything made, and of Dagster's records; one for all processes of a test run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "made"
    with FileLock(shared / "made.lock"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            settings, state = small_settings(folder), folder / "dagster"
            state.mkdir()
            with instance_in(state) as instance:
                refresh = Refresh(build_defs(settings), instance)
                assert refresh.run(), refresh.failed
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="module")
def made(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """A copy of that lake, which the tests of a file may change, and the folder of Dagster's records of it."""
    folder = shutil.copytree(made_once, tmp_path_factory.mktemp("copy") / "made")
    # The version of a retail source contains its paths.
    paths = {"transactions": made_once / "transactions.csv", "products": made_once / "products.parquet"}
    return small_settings(folder, **paths), folder / "dagster"


@pytest.fixture(scope="session")
def search_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake whose clips, models and videos are real, for the tests of the search page."""
    return World(tmp_path_factory.mktemp("search"))

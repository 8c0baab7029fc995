"""PostgreSQL and S3, started once for all tests that ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services import Services, serving


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with serving(tmp_path_factory.mktemp("services")) as started:
        yield started


@pytest.fixture
def services(servers: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The servers, with their addresses in the environment as in a pod."""
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    return servers

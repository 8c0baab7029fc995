"""Shared by all tests: an environment without the user's settings, and a lake in a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from assets import redaction
from assets.lake import Lake
from orchestration.memory import collect_garbage_less_often

for _name in [name for name in os.environ if name.startswith("HOWTO_")]:
    del os.environ[_name]
if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process of a parallel run has one core. Libraries read this when they are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

collect_garbage_less_often()

# A machine with other work must not fail a test by its speed.
settings.register_profile("default", deadline=None)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


LONGEST = (
    "test_whole_path",
    "test_tutorial",
    "test_automation",
    "test_exports",
    "test_card",
    "test_lake",
    "test_harness",
    "test_wheel",
)
"""Files that take longest, without their endings."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that the processes of a parallel run end at about the same time.

    The first file makes the small lake that others copy. The other processes do not wait for it: the next files do not
    need it.
    """
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path.stem, len(LONGEST)), "orchestration" not in item.path.parts))


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test protects as a secret, such as the word password, is a word again in the next one."""
    monkeypatch.setattr(redaction, "_known", set(redaction._known))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")

"""Shared by all tests: an environment without the user's settings, and a lake in a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assets.lake import Lake

for _name in [name for name in os.environ if name.startswith("HOWTO_")]:
    del os.environ[_name]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")

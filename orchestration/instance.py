"""Which Dagster instance a command uses: the packaged ``dagster.yaml``, with its state inside the lake."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path


def name_instance(lake: Path) -> None:
    """Set DAGSTER_HOME and DAGSTER_STATE for this process and its children, unless the environment sets them.

    Call it before ``DagsterInstance.get()``. Nothing is written to DAGSTER_HOME: all state is in DAGSTER_STATE.
    """
    os.environ.setdefault("DAGSTER_HOME", str(files("orchestration")))
    os.environ.setdefault("DAGSTER_STATE", str(lake.absolute() / "dagster"))

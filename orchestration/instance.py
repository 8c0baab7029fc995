"""Which Dagster instance a command uses: the packaged ``dagster.yaml``, with its state inside the lake."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import dagster as dg


def name_instance(lake: Path) -> Path:
    """Set DAGSTER_HOME and DAGSTER_STATE for this process and its children, unless the environment sets them.

    Call it before ``DagsterInstance.get()``. Nothing is written to DAGSTER_HOME: all state is in DAGSTER_STATE, which
    is returned.
    """
    os.environ.setdefault("DAGSTER_HOME", str(files("orchestration")))
    os.environ.setdefault("DAGSTER_STATE", str(lake.absolute() / "dagster"))
    return Path(os.environ["DAGSTER_STATE"])


def recorded_instance(lake: Path) -> dg.DagsterInstance:
    """The instance to read the records of a lake from: an empty one in memory where there are none yet.

    An instance of another configuration, as on a cluster, is always opened: its records are not in a folder.
    """
    state = name_instance(lake)
    if os.environ["DAGSTER_HOME"] == str(files("orchestration")) and not state.exists():
        return dg.DagsterInstance.ephemeral()
    return dg.DagsterInstance.get()

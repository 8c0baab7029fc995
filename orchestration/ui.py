"""The Dagster UI and its daemon on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestration.instance import name_instance
from orchestration.origin import LOCATION, MODULE
from orchestration.settings import Settings

_WORKSPACE = f"""\
load_from:
  - python_module:
      module_name: {MODULE}
      location_name: {LOCATION}
"""


def run_ui(settings: Settings, host: str, port: int) -> None:
    """Replace this process by ``dg dev`` on the lake of the settings."""
    state = name_instance(settings.lake)
    state.mkdir(parents=True, exist_ok=True)
    workspace = state / "workspace.yaml"
    workspace.write_text(_WORKSPACE, encoding="utf-8")
    program = str(Path(sys.executable).parent / "dg")
    os.execv(program, [program, "dev", "--workspace", str(workspace), "--host", host, "--port", str(port)])

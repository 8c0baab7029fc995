"""Where the code of a run is: the origins by which the UI shows a run, and by which Dagster starts it again."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

MODULE = "orchestration.definitions"
"""The module that Dagster loads."""

LOCATION = "howto_lake"
"""Name of the code location in every workspace: of ``howto ui``, of ``pyproject.toml`` and of the cluster.

Dagster identifies a run's job, and a started schedule or sensor, by this name, among others.
"""

_IMAGE = "DAGSTER_CURRENT_IMAGE"
"""Variable of the environment with the image of this container, on a cluster."""


class Origins(NamedTuple):
    """The job of a code location, as the UI and the daemon find it, and as a process that runs it loads it."""

    remote: RemoteJobOrigin
    code: JobPythonOrigin


def origins(job_name: str) -> Origins:
    """The origins of a job of this project."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=MODULE)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    repository = RepositoryPythonOrigin(
        executable_path=sys.executable,
        code_pointer=CodePointer.from_module(MODULE, "defs", working_directory=None),
        container_image=os.environ.get(_IMAGE),
        entry_point=DEFAULT_DAGSTER_ENTRY_POINT,
        container_context=None,
    )
    return Origins(
        RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job_name),
        JobPythonOrigin(job_name, repository),
    )

"""Runs of single steps: creating them as Dagster's own entries do, and executing them in this process.

A run has the origin of its job, so that the UI shows it in the timeline and can start it again. What is the same for
all partitions of an asset (the subset of the job, its plan, their snapshots) is computed once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import create_execution_plan, execute_run_iterator
from dagster._core.snap import snapshot_from_execution_plan
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.utils import make_new_run_id

from ml.host_memory import return_freed_memory
from orchestration.origin import origins
from orchestration.refresh.outcome import Outcome
from orchestration.refresh.plan import Step

_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config under which a run prints nothing: a refresh prints its steps itself."""

Log = Callable[[str], object]


class _Subsets(InMemoryJob):
    """A job whose subsets by assets are made once."""

    def __init__(self, job: dg.JobDefinition) -> None:
        super().__init__(job)
        self._made: dict[frozenset[dg.AssetKey], InMemoryJob] = {}

    def get_subset(self, *, asset_selection: Iterable[dg.AssetKey] | None = None, **other: Any) -> InMemoryJob:
        keys = frozenset(asset_selection or ())
        if keys not in self._made:
            self._made[keys] = super().get_subset(asset_selection=keys, **other)
        return self._made[keys]


class Runs:
    """The runs of one set of definitions.

    Args:
        in_process: whether the steps of a run execute in the process of the run, whatever HOWTO_COMPUTE names.
    """

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance, in_process: bool = True) -> None:
        if in_process:
            # A process has as many threads as the machine has cores, so that its results do not depend on the number of
            # workers. Threads that wait must leave the cores to other workers and to the threads that decode videos.
            # OpenMP reads this when PyTorch is loaded, which is later.
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self.instance = instance
        job = defs.resolve_implicit_global_asset_job_def()
        self._jobs = _Subsets(job.with_executor_def(dg.in_process_executor) if in_process else job)
        self._config = _QUIET if in_process else {}
        self._origins = origins(job.name)
        self._snapshots: dict[tuple[dg.AssetKey, ...], Mapping[str, Any]] = {}

    def create(self, step: Step, tags: Mapping[str, str]) -> dg.DagsterRun:
        """A run of a step that has not started."""
        partition = {PARTITION_NAME_TAG: step.partition} if step.partition else {}
        return self.instance.create_run(
            run_id=make_new_run_id(),
            run_config=self._config,
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={**tags, **partition},
            root_run_id=None,
            parent_run_id=None,
            asset_selection=frozenset(step.keys),
            asset_check_selection=None,
            resolved_op_selection=None,
            op_selection=None,
            remote_job_origin=self._origins.remote,
            job_code_origin=self._origins.code,
            **self._of_job(step.keys),
        )

    def execute(self, run: dg.DagsterRun, log: Log) -> Outcome:
        """Execute a run in this process.

        Args:
            log: takes the messages that the step logs.
        """
        self.instance.add_event_listener(run.run_id, _messages(log))
        try:
            return Outcome.read(list(execute_run_iterator(self._jobs, run, self.instance)))
        finally:
            return_freed_memory()

    def _of_job(self, keys: tuple[dg.AssetKey, ...]) -> Mapping[str, Any]:
        """What the runs of a computation share."""
        if keys not in self._snapshots:
            job = self._jobs.get_subset(asset_selection=keys).get_definition()
            plan = create_execution_plan(job, run_config=self._config)
            self._snapshots[keys] = {
                "job_name": job.name,
                "step_keys_to_execute": plan.step_keys_to_execute,
                "execution_plan_snapshot": snapshot_from_execution_plan(plan, job.get_job_snapshot_id()),
                "job_snapshot": job.get_job_snapshot(),
                "parent_job_snapshot": job.get_parent_job_snapshot(),
                "asset_graph": job.asset_layer.asset_graph,
            }
        return self._snapshots[keys]


def _messages(log: Log) -> Callable[[dg.EventLogEntry], None]:
    def listen(event: dg.EventLogEntry) -> None:
        if not event.is_dagster_event and int(event.level) >= logging.INFO:
            log(event.user_message)

    return listen

"""Runs that the instance launches: its run queue decides when, its run launcher where, for example in pods."""

from __future__ import annotations

import time
from typing import Any, Self

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher

from orchestration.refresh.outcome import Outcome
from orchestration.refresh.workers import Event
from orchestration.tags import REFRESH

POLL_S = 2.0
_UNDER_WAY = dg.RunsFilter(
    statuses=[
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
)


def launches_elsewhere(instance: dg.DagsterInstance) -> bool:
    """Whether the instance has a launcher of its own choice, as on a cluster; the default one starts processes here."""
    return not instance.is_ephemeral and not isinstance(instance.run_launcher, DefaultRunLauncher)


class Launched:
    """The runs of a refresh, submitted to the instance. All that can run are submitted: the queue holds them back."""

    free = 1_000_000

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._run_ids: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what has not ended, if the refresh was stopped."""
        for run_id in self._run_ids:
            self._instance.run_coordinator.cancel_run(run_id)

    def execute(self, run: dg.DagsterRun) -> None:
        """Submit a run."""
        self._run_ids.add(run.run_id)
        # Neither a queue nor a launcher of pods reads the workspace.
        workspace: Any = None
        self._instance.submit_run(run.run_id, workspace)

    def wait(self) -> list[Event]:
        """The runs that have ended; waits ``POLL_S`` seconds if none has."""
        records = self._instance.get_runs(dg.RunsFilter(run_ids=list(self._run_ids)))
        ended = [run.run_id for run in records if run.is_finished]
        self._run_ids -= set(ended)
        if not ended:
            time.sleep(POLL_S)
        return [Event(run_id, self._outcome(run_id)) for run_id in ended]

    def _outcome(self, run_id: str) -> Outcome:
        events = [entry.dagster_event for entry in self._instance.all_logs(run_id) if entry.dagster_event]
        return Outcome.read(events)


def wait_for_earlier_runs(instance: dg.DagsterInstance) -> None:
    """Wait for launched runs of an earlier refresh that was killed: they go on without it."""
    while any(REFRESH in run.tags and run.asset_selection for run in instance.get_runs(_UNDER_WAY)):
        time.sleep(POLL_S)

"""Runs in this process, one after the other: without workers, for debugging, and to check sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from orchestration.refresh.execution import Runs
from orchestration.refresh.workers import Event


class Here:
    """Executes each run at once.

    Args:
        log: takes the id of a run and a message of its step.
    """

    def __init__(self, runs: Runs, log: Callable[[str, str], object]) -> None:
        self._runs, self._log = runs, log
        self._ended: list[Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing goes on after a run."""

    @property
    def free(self) -> int:
        """How many more runs can be executed before ``wait``."""
        return 1 - len(self._ended)

    def execute(self, run: dg.DagsterRun) -> None:
        """Execute a run.

        Raises:
            DagsterExecutionInterruptedError: somebody stopped it.
        """
        outcome = self._runs.execute(run, lambda message: self._log(run.run_id, message))
        if outcome.interrupted:
            raise DagsterExecutionInterruptedError
        self._ended.append(Event(run.run_id, outcome))

    def wait(self) -> list[Event]:
        """The outcomes of the runs since the last call."""
        ended, self._ended = self._ended, []
        return ended

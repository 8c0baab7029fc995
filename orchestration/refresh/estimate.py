"""How long the rest of a refresh will take, from the durations of earlier runs of the same assets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import dagster as dg

from orchestration.refresh.plan import Keys, Plan, Step

_RUNS = 500
"""Earlier runs that are read."""


class Estimate:
    """Expected seconds of the steps that remain and are expected to run.

    These are the steps of assets that were never made, and of assets derived from them or from changed ones. Whether
    their inputs really change is known only when they are made, so the estimate is too long rather than too short.
    """

    def __init__(self, plan: Plan, computations: Sequence[Keys]) -> None:
        self._plan = plan
        self._pending = {keys: len(plan.steps(keys)) for keys in computations}
        self._seconds = _earlier_runs(plan.instance)
        self._expected: set[Keys] = set()
        for keys in computations:
            if any(plan.instance.get_latest_materialization_event(key) is None for key in keys):
                self.expect(keys)

    def expect(self, keys: Keys) -> None:
        """A computation will run, or its content has changed: whatever is derived from it will run too."""
        found = set(keys)
        for each in self._pending:  # inputs come first
            if set(each) & found or self._plan.parents(each) & found:
                found |= set(each)
                self._expected.add(each)

    def finish(self, step: Step, seconds: float | None) -> None:
        """A step is over; ``seconds`` is None if it did not have to run."""
        self._pending[step.keys] -= 1
        if seconds is not None:
            self._seconds[step.keys].append(seconds)

    def rest_s(self) -> float | None:
        """Seconds of the rest; None where no step was ever made. A step without a duration counts as the average."""
        known = {keys: sum(own) / len(own) for keys, own in self._seconds.items()}
        if not known:
            return None
        average = sum(known.values()) / len(known)
        return sum(known.get(keys, average) * self._pending[keys] for keys in self._expected)


def _earlier_runs(instance: dg.DagsterInstance) -> defaultdict[Keys, list[float]]:
    seconds: defaultdict[Keys, list[float]] = defaultdict(list)
    succeeded = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
    for record in instance.get_run_records(succeeded, limit=_RUNS):
        keys = record.dagster_run.asset_selection
        if keys and record.start_time and record.end_time:
            seconds[tuple(sorted(keys))].append(record.end_time - record.start_time)
    return seconds

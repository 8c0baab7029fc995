"""What a refresh would run and why, per asset, as lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from orchestration.definitions import build_defs
from orchestration.instance import recorded_instance
from orchestration.refresh.plan import Plan, Step
from orchestration.settings import Settings
from orchestration.stores import lake_of


def status_lines(settings: Settings, selection: str | None) -> Iterator[str]:
    """A line for each asset that has to run or may have to, its partitions grouped by reason, and a summary.

    ``waits``: a blocking check of an input has failed, so that nothing is made from it.

    Nothing is run, and no lake is made. An asset whose inputs would be made again runs only if their content changes.

    Raises:
        SelectionError: the selection is wrong or selects nothing.
    """
    new = lake_of(settings).is_new
    with recorded_instance(settings.lake) as instance:
        plan = Plan(build_defs(settings), instance)
        runs, may_run, current = 0, 0, 0
        waiting: set[dg.AssetKey] = set()
        for keys in plan.computations(selection):
            steps = plan.steps(keys)
            found = Counter(_state(plan, step, new) for step in steps)
            remaining = found.pop(None, 0)
            above = sorted(key.to_user_string() for key in plan.parents(keys) & waiting)
            name = steps[0].name
            states = [(state, count) for state, count in found.items() if state]
            for (what, reason), count in states:
                yield f"  {what:9}  {name}{_share(count, len(steps))}  ({reason})"
            if states or above:
                waiting |= set(keys)
            if remaining and above:
                yield f"  {'may run':9}  {name}{_share(remaining, len(steps))}  (if {_first(above)} changes)"
            runs += sum(count for (what, _), count in states if what == "would run")
            may_run += remaining if above else 0
            current += 0 if above else remaining
    yield f"{runs} would run, {may_run} may run if their inputs change, {current} up to date."


def _state(plan: Plan, step: Step, new: bool) -> tuple[str, str] | None:
    """What a refresh would do with a step, and why; None if it is up to date."""
    reason = "not made yet" if new and plan.parents(step.keys) else plan.why(step)
    if reason is None:
        return None
    check = plan.blocked(step)
    return ("waits", check) if check else ("would run", reason)


def _share(count: int, of: int) -> str:
    return "" if of == 1 else f" [{count} of {of} partitions]"


def _first(names: list[str]) -> str:
    return " or ".join(names[:2]) + (" or another input" if len(names) > 2 else "")

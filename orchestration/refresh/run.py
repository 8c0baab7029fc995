"""Running a plan: each step as soon as its inputs are done, as many at once as workers and pools allow."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.utils import make_new_run_id
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt, pop_captured_interrupt

from assets.lake import Lake
from assets.outcomes import describe_open, open_requests
from orchestration.emptied import emptied_by
from orchestration.refresh.display import Display, print_line
from orchestration.refresh.execution import Runs
from orchestration.refresh.here import Here
from orchestration.refresh.launched import Launched, launches_elsewhere, wait_for_earlier_runs
from orchestration.refresh.lock import close_killed_runs, only_one, process_tags, remove_unfinished_files
from orchestration.refresh.order import Order, is_barrier
from orchestration.refresh.outcome import Outcome
from orchestration.refresh.plan import Keys, Plan, Step
from orchestration.refresh.pools import Pools, size_gpu_pool
from orchestration.refresh.workers import Definitions, Event, Workers
from orchestration.tags import CODE, LAUNCHED_BY, REFRESH


class Executor(Protocol):
    """Where runs execute."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def free(self) -> int:
        """How many more runs can be started now."""

    def execute(self, run: dg.DagsterRun) -> None:
        """Start a run."""

    def wait(self) -> list[Event]:
        """Wait a moment for runs to report something."""


class _Started(NamedTuple):
    """A step that runs, when it began, and the versions that its assets had."""

    step: Step
    at: float
    versions: list[str | None]


class Refresh:
    """One pass over the asset graph.

    Args:
        within: id of the run of a job that refreshes; it becomes the id of the refresh.
        launched_by: what the UI shows as the origin of the runs.
        jobs: processes that execute steps at once; 1: this one.
        definitions: makes the same definitions in other processes; needed for ``jobs`` above 1.
    """

    def __init__(
        self,
        defs: dg.Definitions,
        instance: dg.DagsterInstance,
        log: Callable[[str], object] = print_line,
        within: str | None = None,
        display: Display | None = None,
        launched_by: str = "howto refresh",
        jobs: int = 1,
        definitions: Definitions | None = None,
    ) -> None:
        self.defs, self.instance = defs, instance
        self.display = display or Display(log)
        self.plan = Plan(defs, instance)
        self.id = within or make_new_run_id()
        self.tags = {REFRESH: self.id, LAUNCHED_BY: launched_by, CODE: self.plan.staleness.code}
        self.jobs, self._definitions = jobs, definitions
        self._elsewhere = launches_elsewhere(instance)
        self._runs = Runs(defs, instance, in_process=not self._elsewhere)
        self._here = Here(self._runs, self._show_message)
        self._started: dict[str, _Started] = {}
        self._waiting: list[tuple[Step, str]] = []
        self._held_up: Counter[Keys] = Counter()
        self.ran: list[Step] = []
        self.unchanged: list[Step] = []
        self.failed: dict[Step, str] = {}
        self.skipped: list[Step] = []
        self.outstanding: list[str] = []
        """Stages of which some requests have no answer yet: how many, when they are repeated, and why."""

    @property
    def graph(self) -> dg.AssetGraph:
        """The graph of all assets."""
        return self.plan.graph

    @property
    def summary(self) -> str:
        """How many steps were made, up to date, failed and skipped."""
        return (
            f"{len(self.ran)} made, {len(self.unchanged)} up to date and left alone,"
            f" {len(self.failed)} failed, {len(self.skipped)} skipped."
        )

    def run(self, selection: str | None = None) -> bool:
        """Run every selected step that has to run (None: ``EVERYTHING``) after its inputs; True if nothing failed.

        Raises:
            SelectionError: the selection is wrong or selects nothing.
            LakeError: the catalog cannot be used; nothing was started.
            DagsterExecutionInterruptedError: somebody stopped it; what was made stays, and a later refresh goes on.
        """
        computations = self.plan.computations(selection)
        self.plan.lake.snapshot()  # fails before the first step, if it does
        self.display.start(self.plan, computations, self.jobs)
        order, pools = Order(self.plan, computations), Pools(self.instance, self.graph)
        try:
            # An interrupt is noted and not raised: within a query, DuckDB would turn it into another error.
            with capture_interrupts(), self._executor() as executor:
                while not order.is_over:
                    self._start(order, pools, executor)
                    for event in executor.wait() if self._started else ():
                        self._take(event, order, pools)
                    if pop_captured_interrupt():
                        raise DagsterExecutionInterruptedError
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            for started in self._started.values():
                self._log("stopped", started.step, f"after {time.monotonic() - started.at:.1f} s")
            raise DagsterExecutionInterruptedError from None
        finally:
            self._close_unfinished()
        return not self.failed

    def _executor(self) -> Executor:
        if self._elsewhere:
            return Launched(self.instance)
        if self.jobs == 1 or self._definitions is None or self.instance.is_ephemeral:
            return self._here
        return Workers(self.jobs, self._definitions, self.instance)

    def _close_unfinished(self) -> None:
        """Record that runs of a refresh that was stopped do not go on."""
        for run_id in self._started:
            run = self.instance.get_run_by_id(run_id)
            if run and not run.is_finished:
                self.instance.report_run_canceled(run)
            self.instance.event_log_storage.free_concurrency_slots_for_run(run_id)

    # -- starting steps -----------------------------------------------------------------------------------------

    def _start(self, order: Order, pools: Pools, executor: Executor) -> None:
        """Start the steps that can run, while there is room, and pass over those that need not."""
        for waiting in [each for each in self._waiting if pools.has_room(each[0])]:
            if executor.free and pools.has_room(waiting[0]):
                self._waiting.remove(waiting)
                self._execute(*waiting, pools, executor)
        while executor.free and not check_captured_interrupt() and (step := order.next()):
            if is_barrier(step, self.graph) or order.is_held_up(step):
                order.done(step, self._pass(step, order))
            elif (reason := self._why(step)) is None:
                self.unchanged.append(step)
                self.display.finish(step, None, changed=False)
                order.done(step, self._is_complete(step))
            elif (check := self.plan.blocked(step)) is not None:
                self.failed[step] = check
                self._log("FAILED", step, check)
                self.display.finish(step, None, changed=False)
                order.done(step, good=False)
            elif self.plan.is_source(step.keys) and executor is not self._here and not self._elsewhere:
                self._execute(step, reason, pools, self._here)
                for event in self._here.wait():
                    self._take(event, order, pools)
            elif pools.has_room(step):
                self._execute(step, reason, pools, executor)
            else:
                self._waiting.append((step, reason))

    def _why(self, step: Step) -> str | None:
        """Why a step has to run, or None if what is stored is what it would make."""
        return self.plan.why(step)

    def _execute(self, step: Step, reason: str, pools: Pools, executor: Executor) -> None:
        self.display.begin(step, reason)
        versions = [self.plan.recorded_version(key, step.partition) for key in step.keys]
        run = self._runs.create(step, self.tags if self._elsewhere else self.tags | process_tags())
        self._started[run.run_id] = _Started(step, time.monotonic(), versions)
        pools.enter(step)
        executor.execute(run)

    def _pass(self, step: Step, order: Order) -> bool:
        """Take a step that does not run: one that is held up, or the end of a computation. Whether it is good."""
        held_up, partitions = order.is_held_up(step), self.plan.staleness.partitions(step.keys[0])
        if not is_barrier(step, self.graph):
            self._held_up[step.keys] += 1
            self.display.finish(step, None, changed=False)
            if step.partition is not None:
                return False
        if count := self._held_up[step.keys]:
            self.skipped.append(Step(step.keys, None))
            share = f" in {count:,} of {len(partitions):,} partitions" if count < len(partitions) else ""
            self._log("skipped", Step(step.keys, None), f"an input failed{share}")
        return not held_up and self._is_answered(step.keys)

    def _is_complete(self, step: Step) -> bool:
        """Whether a step whose content is stored is good; of a partition, the end of the computation decides."""
        return step.partition is not None or self._is_answered(step.keys)

    def _is_answered(self, keys: Keys) -> bool:
        """Whether any request of a stage was answered; requests that still wait are reported."""
        step = Step(keys, None)
        for outcomes in self.plan.stored.requests(keys):
            waiting = open_requests(outcomes)
            if waiting.is_empty():
                continue
            if waiting.height == outcomes.height:
                self.failed[step] = f"no request was answered: {describe_open(outcomes)}"
                self._log("FAILED", step, self.failed[step])
                return False
            self.outstanding.append(f"{step}: {describe_open(outcomes)}")
            self._log("WARNING", step, describe_open(outcomes))
        return True

    # -- taking outcomes ----------------------------------------------------------------------------------------

    def _take(self, event: Event, order: Order, pools: Pools) -> None:
        """Take what the run of a step reports."""
        if isinstance(event.what, str):
            self._show_message(event.run_id, event.what)
            return
        started = self._started.pop(event.run_id)
        pools.leave(started.step)
        if event.what.failure is not None:
            self._close_killed(event.run_id, event.what.failure)
            self._fail(started, event.what)
            order.done(started.step, good=False)
        else:
            self._succeed(started, event.what)
            order.done(started.step, self._is_complete(started.step))

    def _succeed(self, started: _Started, outcome: Outcome) -> None:
        step, seconds = started.step, time.monotonic() - started.at
        self.ran.append(step)
        self.plan.has_run(step)
        same = started.versions == [self.plan.recorded_version(key, step.partition) for key in step.keys]
        self.display.finish(step, seconds, changed=not same)
        self._log("made", step, f"{'same content as before' if same else outcome.rows}; {seconds:.1f} s")
        for label, sentence in outcome.sentences:
            self._log(label, step, sentence)

    def _fail(self, started: _Started, outcome: Outcome) -> None:
        step = started.step
        self.display.finish(step, time.monotonic() - started.at, changed=False)
        upstream = set[dg.AssetKey]().union(*(self.graph.get_ancestor_asset_keys(key) for key in step.keys))
        emptied = emptied_by(self.plan.lake, (key.path[-1] for key in upstream))
        found = [outcome.failure, emptied and f"no data reached this step: {emptied}"]
        self.failed[step] = self.plan.lake.explain(str(outcome.failure)) or "; ".join(filter(None, found))
        self._log("FAILED", step, self.failed[step])

    def _close_killed(self, run_id: str, failure: str) -> None:
        """Record the failure of a run whose process could not."""
        run = self.instance.get_run_by_id(run_id)
        if run and not run.is_finished:
            self.instance.report_run_failed(run, failure)
            self.instance.event_log_storage.free_concurrency_slots_for_run(run_id)

    def _log(self, what: str, step: Step, why: str) -> None:
        self.display.line(what, step, why)

    def _show_message(self, run_id: str, message: str) -> None:
        if run_id in self._started:
            self.display.log(self._started[run_id].step, message)


def refresh_lake(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    selection: str | None = None,
    log: Callable[[str], object] = print_line,
    within: str | None = None,
    display: Display | None = None,
    launched_by: str = "howto refresh",
    jobs: int = 1,
    definitions: Definitions | None = None,
) -> Refresh:
    """Refresh the lake of the definitions, after removing what killed processes left. See ``Refresh``.

    Args:
        log: takes the lines about the steps.
        display: shows the steps, instead of ``log``.

    Raises:
        RefreshError: another refresh of this lake is running.
        DagsterExecutionInterruptedError: somebody stopped it.
    """
    lake: Lake = defs.resources["lake"]  # type: ignore[index]
    with only_one(lake.root):
        close_killed_runs(instance)
        if launches_elsewhere(instance):
            wait_for_earlier_runs(instance)
        else:
            size_gpu_pool(instance, defs.resources["device"], jobs)  # type: ignore[index]
        remove_unfinished_files(lake.root / "media")
        refresh = Refresh(defs, instance, log, within, display, launched_by, jobs, definitions)
        refresh.run(selection)
        return refresh
